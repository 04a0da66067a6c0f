// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent knows of its own updates, as the values that integrity statements are made of. Nothing is believed that can be
// measured: the running slot is read and compared with the signed manifest, which is verified again from the root of trust.

#include "base/result.h"
#include "client/device.h"
#include "client/integrity/model/profile.h"
#include "client/integrity/update_facts.h"

namespace pawl::client {

// /usr/lib/pawl/profile.json of the running image; the built-in profile when there is none. ERRORS: kConfigInvalid.
Result<integrity::DeviceProfile> LoadDeviceProfile(const Device& device);

// REQUIRES: device.agent has started. ERRORS: only those that leave nothing to say; what cannot be known stays absent.
Result<integrity::UpdateFacts> CollectUpdateFacts(Device& device);

}  // namespace pawl::client
