// S3Handler answers the S3 dialect on a connection: it takes a request apart, authenticates it once, finds the operation
// in the table, refuses what is not supported, runs it, and turns every error into S3's XML. Health checks are answered
// here too, without authentication. Thread-safe: any number of requests on any executors at once; everything handed in
// must outlive it.
#pragma once

#include <functional>

#include "gateway/http/exchange.h"
#include "gateway/s3/request.h"
#include "gateway/s3/s3_metrics.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

class S3Handler final : public http::Handler {
 public:
  // `md5_lanes` gives those of the calling thread, or nullptr. `ready` tells whether the node can serve; it is called for
  // readiness checks, on any thread.
  S3Handler(Options options, metadata::Metadata& metadata, data::DataStore& data, const CredentialSource& credentials,
            Clock& clock, Rng& rng, std::function<Md5Lanes*()> md5_lanes, std::function<bool()> ready,
            S3Metrics& metrics);

  task<void> handle(http::Exchange& exchange) override;

 private:
  task<S3Result<>> serve(Request& request);
  // Who sent it and what it asks for, into `request`.
  S3Result<> identify(Request& request) const;
  void account(const Request& request, Duration latency) const;

  // Fixed after construction.
  const Options options_;
  const Service service_;
  const AuthConfig auth_;
  S3Metrics& metrics_;
};

}  // namespace gabion::gateway::s3
