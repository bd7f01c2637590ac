// Where `gabion admin` writes and asks: standard output carries data alone, everything else goes to standard error. A table of
// aligned columns on a terminal, tab-separated lines without a head otherwise.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace gabion::admin {

struct Terminal {
  std::function<void(std::string_view)> out, err;
  bool out_is_terminal = false, err_is_terminal = false;
  // Asks and waits for an answer; false also where nobody can be asked.
  std::function<bool(std::string_view question)> confirm;
};

Terminal standard_terminal();

class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row);
  std::size_t rows() const { return rows_.size(); }
  std::string aligned() const;
  std::string tab_separated() const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that a terminal needs for UTF-8 text of single-width characters.
std::size_t width_of(std::string_view text);

}  // namespace gabion::admin
