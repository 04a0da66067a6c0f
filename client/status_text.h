// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent's state looks like to people and programs.

#include <string>
#include <vector>

#include "base/json.h"
#include "client/core/order_desk.h"
#include "client/device.h"
#include "manifest/release.h"

namespace pawl::client {

std::string StatusText(const Device& device);
Json StatusJson(const Device& device);  // "pawl.status/1"
std::string RefusedOrdersText(const std::vector<RefusedOrder>& refused);
Json RefusedOrdersJson(const std::vector<RefusedOrder>& refused);
std::string OfferText(const manifest::ReleaseManifest& offer, const manifest::ImageIdentity& running);

}  // namespace pawl::client
