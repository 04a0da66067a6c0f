# SPDX-License-Identifier: Apache-2.0
pawl_test(client_core_test LABEL unit
  SOURCES unit/client/agent_state_test.cc unit/client/planner_test.cc unit/client/state_test.cc
  USES pawl::client_core)
