// Checks histories of registers that a test wrote down: reads lines "KEY KIND INVOKED RETURNED VALUE EXPECTED" with times in
// nanoseconds and '?' for a return that never came, and prints what is wrong, one line a key. Ends with 0 when every history is
// linearizable, 1 when one is not, 2 for lines that are none, 3 when a search found no answer within its budget.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

#include "tests/support/linear.h"

namespace {

using gabion::linear::Kind;

bool parse(const std::string& line, std::string& key, gabion::linear::Operation& operation) {
  static const std::map<std::string, Kind> kKinds = {{"put", Kind::put}, {"get", Kind::get}, {"remove", Kind::remove},
                                                     {"swap", Kind::swap}, {"mismatch", Kind::mismatch}};
  std::istringstream in(line);
  std::string kind, returned;
  if (!(in >> key >> kind >> operation.invoked >> returned >> operation.value >> operation.expected)) return false;
  const auto found = kKinds.find(kind);
  if (found == kKinds.end()) return false;
  operation.kind = found->second;
  operation.returned = returned == "?" ? gabion::linear::kUnknown : std::strtoull(returned.c_str(), nullptr, 10);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t budget = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5'000'000;
  std::map<std::string, gabion::linear::History> histories;
  for (std::string line; std::getline(std::cin, line);) {
    std::string key;
    gabion::linear::Operation operation;
    if (!parse(line, key, operation)) {
      fmt::print("not an operation: {}\n", line);
      return 2;
    }
    histories[key].push_back(operation);
  }
  int exit = 0;
  for (const auto& [key, history] : histories) {
    const auto finding = gabion::linear::check(history, budget);
    if (finding.verdict == gabion::linear::Verdict::linearizable) continue;
    const bool undecided = finding.verdict == gabion::linear::Verdict::undecided;
    fmt::print("{}: {} operations: {}\n", key, history.size(), undecided ? "no answer within the budget" : finding.reason);
    if (exit != 1) exit = undecided ? 3 : 1;
  }
  return exit;
}
