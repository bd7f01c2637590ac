// The outcome of a run, as a table for people and as JSON for programs. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tools/bench/bench.h"
#include "tools/bench/stats.h"

namespace gabion::bench {

struct Outcome {
  double seconds = 0;  // measured
  bool interrupted = false;
  std::uint64_t unfinished = 0;  // workers that had no answer when the run had long been over
  std::map<std::string, OperationStats> by_operation;
  std::map<std::string, std::uint64_t> by_code;
  std::optional<double> server_cpu_seconds;
  std::string server_cpu_problem;  // why it is not known although it was asked for

  void add(const ThreadStats& stats);
  std::uint64_t operations() const;
  std::uint64_t bytes() const;
  std::uint64_t keys() const;
  std::uint64_t errors() const;
};

std::string_view to_string(Operation operation);
std::string as_table(const BenchOptions& options, const Outcome& outcome);
std::string as_json(const BenchOptions& options, const Outcome& outcome);

}  // namespace gabion::bench
