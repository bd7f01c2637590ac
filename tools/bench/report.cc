#include "tools/bench/report.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

namespace gabion::bench {
namespace {

constexpr double kMegabyte = 1e6;
constexpr std::array<std::pair<const char*, double>, 4> kPercentiles = {
    {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}}};

double milliseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

std::string_view to_string(Signing signing) {
  switch (signing) {
    case Signing::headers:
      return "headers";
    case Signing::unsigned_payload:
      return "unsigned-payload";
    case Signing::presigned:
      return "presigned";
  }
  return "";
}

// Per second of what: the clock's, or the server's CPU time.
double rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

boost::json::object latency_object(const OperationStats& stats, double seconds) {
  boost::json::object object;
  object["count"] = stats.latency.count();
  object["operations_per_second"] = rate(stats.latency.count(), seconds);
  object["megabytes_per_second"] = rate(stats.bytes, seconds) / kMegabyte;
  if (stats.keys > 0) object["keys_per_second"] = rate(stats.keys, seconds);
  boost::json::object latency;
  latency["min"] = milliseconds(stats.latency.min());
  latency["mean"] = stats.latency.mean() / 1e6;
  for (const auto& [name, percent] : kPercentiles)
    latency[name] = milliseconds(stats.latency.percentile(percent));
  latency["max"] = milliseconds(stats.latency.max());
  object["latency_ms"] = std::move(latency);
  return object;
}

}  // namespace

void Outcome::add(const ThreadStats& stats) {
  for (const auto& [name, operation] : stats.by_operation) {
    OperationStats& sum = by_operation[name];
    sum.latency.add(operation.latency);
    sum.bytes += operation.bytes;
    sum.keys += operation.keys;
  }
  for (const auto& [code, count] : stats.by_code) by_code[code] += count;
}

std::uint64_t Outcome::operations() const {
  std::uint64_t sum = 0;
  for (const auto& [name, operation] : by_operation) sum += operation.latency.count();
  return sum;
}
std::uint64_t Outcome::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, operation] : by_operation) sum += operation.bytes;
  return sum;
}
std::uint64_t Outcome::keys() const {
  std::uint64_t sum = 0;
  for (const auto& [name, operation] : by_operation) sum += operation.keys;
  return sum;
}
std::uint64_t Outcome::errors() const {
  std::uint64_t sum = 0;
  for (const auto& [code, count] : by_code) sum += count;
  return sum;
}

std::string_view to_string(Operation operation) {
  switch (operation) {
    case Operation::put:
      return "put";
    case Operation::get:
      return "get";
    case Operation::mixed:
      return "mixed";
    case Operation::list:
      return "list";
    case Operation::multipart:
      return "multipart";
  }
  return "";
}

std::string as_table(const BenchOptions& options, const Outcome& outcome) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{} {} against {}/{}, {} connections, {:.1f} s measured{}\n\n",
                 to_string(options.operation), options.size, options.endpoint, options.bucket,
                 options.concurrency, outcome.seconds, outcome.interrupted ? " (interrupted)" : "");
  fmt::format_to(line, "{:<10} {:>10} {:>11} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "operation", "count",
                 "per second", "MB/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms");
  for (const auto& [name, stats] : outcome.by_operation) {
    fmt::format_to(line, "{:<10} {:>10} {:>11.1f} {:>10.2f}", name, stats.latency.count(),
                   rate(stats.latency.count(), outcome.seconds),
                   rate(stats.bytes, outcome.seconds) / kMegabyte);
    for (const auto& [label, percent] : kPercentiles) {
      fmt::format_to(line, " {:>9.3f}", milliseconds(stats.latency.percentile(percent)));
    }
    fmt::format_to(line, " {:>9.3f}\n", milliseconds(stats.latency.max()));
  }
  if (outcome.keys() > 0)
    fmt::format_to(line, "\nkeys listed per second: {:.0f}\n", rate(outcome.keys(), outcome.seconds));
  if (outcome.server_cpu_seconds) {
    const double cpu = *outcome.server_cpu_seconds;
    fmt::format_to(line, "\nserver CPU: {:.2f} s; per CPU-second: {:.0f} operations, {:.1f} MB", cpu,
                   rate(outcome.operations(), cpu), rate(outcome.bytes(), cpu) / kMegabyte);
    if (outcome.keys() > 0) fmt::format_to(line, ", {:.0f} keys", rate(outcome.keys(), cpu));
    out += '\n';
  }
  if (!outcome.server_cpu_problem.empty())
    fmt::format_to(line, "\nserver CPU: unknown: {}\n", outcome.server_cpu_problem);
  fmt::format_to(line, "\nerrors: {}\n", outcome.errors());
  for (const auto& [code, count] : outcome.by_code) fmt::format_to(line, "  {:>8}  {}\n", count, code);
  if (outcome.unfinished > 0)
    fmt::format_to(line, "{} connections never got an answer\n", outcome.unfinished);
  return out;
}

std::string as_json(const BenchOptions& options, const Outcome& outcome) {
  boost::json::object json;
  json["operation"] = to_string(options.operation);
  json["endpoint"] = options.endpoint;
  json["bucket"] = options.bucket;
  json["size"] = options.size;
  json["concurrency"] = options.concurrency;
  json["threads"] = options.threads;
  json["signing"] = to_string(options.signing);
  json["verify"] = options.verify;
  json["seconds"] = outcome.seconds;
  json["interrupted"] = outcome.interrupted;
  json["operations_per_second"] = rate(outcome.operations(), outcome.seconds);
  json["megabytes_per_second"] = rate(outcome.bytes(), outcome.seconds) / kMegabyte;
  boost::json::object operations;
  for (const auto& [name, stats] : outcome.by_operation)
    operations[name] = latency_object(stats, outcome.seconds);
  json["operations"] = std::move(operations);
  boost::json::object errors;
  for (const auto& [code, count] : outcome.by_code) errors[code] = count;
  json["errors"] = std::move(errors);
  json["error_count"] = outcome.errors();
  json["unfinished"] = outcome.unfinished;
  if (outcome.server_cpu_seconds) {
    const double cpu = *outcome.server_cpu_seconds;
    boost::json::object server;
    server["cpu_seconds"] = cpu;
    server["operations_per_cpu_second"] = rate(outcome.operations(), cpu);
    server["megabytes_per_cpu_second"] = rate(outcome.bytes(), cpu) / kMegabyte;
    if (outcome.keys() > 0) server["keys_per_cpu_second"] = rate(outcome.keys(), cpu);
    json["server"] = std::move(server);
  }
  return boost::json::serialize(json) + "\n";
}

}  // namespace gabion::bench
