# SPDX-License-Identifier: Apache-2.0
"""The story that tools/demo tells, one module a chapter."""
