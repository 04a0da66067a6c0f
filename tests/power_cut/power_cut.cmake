# SPDX-License-Identifier: Apache-2.0
pawl_test(update_power_cut_test LABEL power-cut SOURCES power_cut/update_power_cut_test.cc USES pawl_fakes)
pawl_test(offline_power_cut_test LABEL power-cut SOURCES power_cut/offline_power_cut_test.cc USES pawl_fakes)
