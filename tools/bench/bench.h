// `gabion bench`: a load generator for any S3 endpoint over HTTP. It shares the machine with the server more
// often than not, so it is made to cost little: one keep-alive connection a worker, signatures with cached
// keys, payloads that are slices of one random pool, and bodies that are discarded in the kernel where
// nothing looks at them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace gabion::bench {

enum class Operation { put, get, mixed, list, multipart };
enum class Signing { headers, unsigned_payload, presigned };

struct BenchOptions {
  Operation operation = Operation::put;
  std::string endpoint = "http://127.0.0.1:9000";
  std::string bucket = "gabion-bench";
  std::string prefix = "bench/";
  std::string region = "us-east-1";
  std::string access_key;
  std::string secret_key;
  Signing signing = Signing::headers;
  std::string size = "1MiB";  // or a range, "4KiB-8MiB", spread evenly over its logarithm
  std::uint64_t part_size = 8 << 20;
  std::uint64_t objects = 0;  // 0: put and multipart never repeat a key, the others use 1,000
  unsigned concurrency = 16;
  unsigned threads = 1;
  unsigned put_percent = 30;  // of mixed
  std::chrono::seconds duration{10};
  std::chrono::seconds warmup{2};
  bool verify = false;  // compare what GET returns with what was put
  bool prefill = true;
  bool json = false;
  std::optional<std::string> metrics;  // the server's metrics page, for its CPU time
};

// Runs to the end of the duration or Ctrl-C, prints the result and returns an exit code of sysexits.h.
int run_bench(const BenchOptions& options);

// Adds the subcommand. When it is chosen, `run` becomes a call of run_bench() with its options.
void add_bench_command(CLI::App& app, std::function<int()>& run);

}  // namespace gabion::bench
