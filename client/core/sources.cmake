# SPDX-License-Identifier: Apache-2.0
set(PAWL_CLIENT_CORE_SOURCES
  core/agent.cc
  core/agent_offline.cc
  core/agent_update.cc
  core/agent_write.cc
  core/agent_state.cc
  core/bundle_http.cc
  core/directory_metadata_store.cc
  core/frame_stream.cc
  core/http_fetcher.cc
  core/installer.cc
  core/local_broker.cc
  core/order_desk.cc
  core/planner.cc
  core/release_finder.cc
  core/run_time.cc
  core/state.cc)
