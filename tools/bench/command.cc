// The only file of bench that sees CLI11, which takes seconds to compile.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "common/text.h"
#include "tools/bench/bench.h"
#include "tools/bench/report.h"

namespace gabion::bench {
namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Operation operation_named(const std::string& name) {
  for (const Operation operation :
       {Operation::put, Operation::get, Operation::mixed, Operation::list, Operation::multipart}) {
    if (name == to_string(operation)) return operation;
  }
  throw CLI::ValidationError("--op", "'" + name + "' is none of put, get, mixed, list and multipart");
}

// A number of seconds, or one with its unit: 90, 90s, 2m, 1h.
std::chrono::seconds seconds_of(const char* option, const std::string& text) {
  std::string_view number = text;
  std::uint64_t unit = 1;
  if (!number.empty() && std::string_view("smh").find(number.back()) != std::string_view::npos) {
    unit = number.back() == 'h' ? 3600 : number.back() == 'm' ? 60 : 1;
    number.remove_suffix(1);
  }
  const auto count = parse_u64(number);
  constexpr std::uint64_t kMost = 365 * 24 * 3600;
  if (!count || *count > kMost / unit) {
    throw CLI::ValidationError(option, "'" + text + "' is not a duration; write one, as 30s, 5m or 1h");
  }
  return std::chrono::seconds(*count * unit);
}

void add_target_options(CLI::App& command, BenchOptions& options) {
  command.add_option("--endpoint", options.endpoint, "server, http://HOST:PORT")->capture_default_str();
  command.add_option("--bucket", options.bucket, "bucket; created if it is not there")->capture_default_str();
  command.add_option("--prefix", options.prefix, "what all keys begin with")->capture_default_str();
  command.add_option("--region", options.region, "region of the signature")
      ->envname("AWS_REGION")
      ->capture_default_str();
  command.add_option(
      "--metrics", options.metrics,
      "the server's metrics page, as http://127.0.0.1:9001/metrics: reports work per server CPU-second");
}

void add_load_options(CLI::App& command, BenchOptions& options) {
  command
      .add_option_function<std::string>(
          "--op", [&options](const std::string& name) { options.operation = operation_named(name); },
          "put, get, mixed, list or multipart")
      ->required();
  command.add_option("--size", options.size, "object size, as 64MiB, or a range, as 4KiB-8MiB")
      ->capture_default_str();
  command.add_option_function<std::string>(
      "--part-size",
      [&options](const std::string& text) {
        const auto size = parse_size(text);
        if (!size)
          throw CLI::ValidationError("--part-size", "'" + text + "' is not a size; write one, as 8MiB");
        options.part_size = *size;
      },
      "part size of --op multipart [8MiB]");
  command.add_option("--objects", options.objects,
                     "number of different keys [put, multipart: endless; others: 1000]");
  command.add_option("--concurrency", options.concurrency, "connections, each with one request at a time")
      ->check(CLI::Range(1u, 65535u))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "threads of the load generator")
      ->check(CLI::Range(1u, 256u))
      ->capture_default_str();
  command.add_option("--put-percent", options.put_percent, "share of PUT in --op mixed, the rest is GET")
      ->check(CLI::Range(0u, 100u))
      ->capture_default_str();
}

void add_run_options(CLI::App& command, BenchOptions& options) {
  auto seconds = [&command](const char* name, std::chrono::seconds& value, const char* text) {
    command.add_option_function<std::string>(
        name, [name, &value](const std::string& given) { value = seconds_of(name, given); }, text);
  };
  seconds("--duration", options.duration, "time to measure, as 30s or 5m [10s]");
  seconds("--warmup", options.warmup, "time before measuring [2s]");
  command.add_flag("--verify", options.verify, "compare what GET returns with what was put");
  command.add_flag("!--no-prefill", options.prefill,
                   "get, mixed, list: the objects are there from an earlier run");
  command.add_flag("--json", options.json, "print the result as JSON");
  auto* presigned = command.add_flag_callback(
      "--presigned", [&options] { options.signing = Signing::presigned; },
      "sign in the query, as a presigned URL");
  command
      .add_flag_callback(
          "--unsigned-payload", [&options] { options.signing = Signing::unsigned_payload; },
          "sign the headers but not the payload")
      ->excludes(presigned);
}

}  // namespace

void add_bench_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* command = app.add_subcommand("bench", "Load generator for any S3 endpoint");
  command->footer(
      "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Objects stay in the bucket.");
  auto options = std::make_shared<BenchOptions>();
  add_target_options(*command, *options);
  add_load_options(*command, *options);
  add_run_options(*command, *options);
  command->callback([options, &run] {
    options->access_key = from_environment("AWS_ACCESS_KEY_ID");
    options->secret_key = from_environment("AWS_SECRET_ACCESS_KEY");
    run = [options] { return run_bench(*options); };
  });
}

}  // namespace gabion::bench
