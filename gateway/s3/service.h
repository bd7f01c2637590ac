// Service is what every S3 operation may use: the layers below through their interfaces, the injected clock and
// randomness, and what the node was configured to be. Plain references; all must outlive the handler.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/rng.h"
#include "gateway/data/data_store.h"
#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/payload.h"
#include "metadata/metadata.h"

namespace gabion::gateway::s3 {

struct Options {
  Options() = default;
  std::string region = "us-east-1";
  std::vector<std::string> domains;    // for virtual-host style; lower case, without port
  std::string owner_id = "gabion";     // what clients see as the owner's canonical id
  std::string owner_display_name = "gabion";
  Duration max_skew = std::chrono::minutes(15);
};

struct Service {
  const Options& options;
  metadata::Metadata& metadata;
  data::DataStore& data;
  const CredentialSource& credentials;
  Clock& clock;
  Rng& rng;
  std::function<Md5Lanes*()> md5_lanes;  // of the calling thread; may give nullptr
  std::function<bool()> ready;           // whether the node can serve, for health checks
};

}  // namespace gabion::gateway::s3
