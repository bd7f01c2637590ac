// A worker is one client: it has one connection and sends one request after the other. Lives on one executor,
// with the statistics of that executor's thread. Shared is what all workers of a run have in common; it
// outlives them.
#pragma once

#include <atomic>
#include <string>

#include "common/clock.h"
#include "common/rng.h"
#include "tools/bench/bench.h"
#include "tools/bench/connection.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/payload.h"
#include "tools/bench/signer.h"
#include "tools/bench/stats.h"

namespace gabion::bench {

Result<asio::ip::tcp::endpoint> resolve(const Endpoint& endpoint);

struct Shared {
  Shared(const BenchOptions& o, Clock& c) : options(o), clock(c) {}
  const BenchOptions& options;
  Clock& clock;
  Endpoint endpoint;
  asio::ip::tcp::endpoint peer;
  Sizes sizes;
  Pool pool;
  std::uint64_t seed = 0;
  std::uint64_t objects = 0;  // 0: keys never repeat
  std::atomic<std::uint64_t> next_object{0};
  std::atomic<std::uint64_t> prefilled{0};
  // Operations that end while this is set are counted.
  std::atomic<bool> measuring{false};
  std::atomic<bool> stop{false};
};

class Worker {
 public:
  Worker(Executor executor, Shared& shared, ThreadStats& stats, std::uint64_t seed);

  // Creates the bucket unless it is there.
  task<Result<void>> create_bucket();
  // Puts objects until all are there or the run stops.
  task<Result<void>> prefill();
  // Runs operations until the run stops.
  task<void> load();

 private:
  struct Call {
    std::string_view method;
    std::string path;
    std::string query;  // canonical
  };
  struct Done {
    const char* operation = "";
    std::uint64_t bytes = 0;
    std::uint64_t keys = 0;
  };

  std::string path_of(std::string_view key) const;
  std::string key_of(std::uint64_t object) const;
  std::string head_of(const Call& call, std::uint64_t length, std::string_view payload_hash);
  // The response's head; the text of a failure becomes the error's message, its S3 code or status first.
  task<Result<ResponseHead>> call(Call request, const Payload* payload);
  task<Result<std::string>> call_for_text(Call call, const Payload* payload);
  task<Result<std::string>> read_text();

  task<Result<Done>> perform();
  task<Result<Done>> put(std::string key);
  task<Result<Done>> get(std::string key);
  task<Result<Done>> list();
  task<Result<Done>> multipart(std::string key);
  task<Result<void>> verify(std::string key, std::uint64_t size);

  Shared& shared_;
  ThreadStats& stats_;
  Connection connection_;
  Signer signer_;
  Digest sha256_;
  SeededRng rng_;
  std::string list_token_;
};

}  // namespace gabion::bench
