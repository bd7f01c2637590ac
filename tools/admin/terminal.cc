#include "tools/admin/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/check.h"

namespace gabion::admin {
namespace {

bool ask(std::string_view question) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return false;
  fmt::print(stderr, "{} [y/N] ", question);
  std::fflush(stderr);
  const int first = std::getchar();
  for (int c = first; c != '\n' && c != EOF;) c = std::getchar();
  return first == 'y' || first == 'Y';
}

}  // namespace

Terminal standard_terminal() {
  Terminal terminal;
  terminal.out = [](std::string_view text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  };
  terminal.err = [](std::string_view text) { fmt::print(stderr, "{}", text); };
  terminal.out_is_terminal = isatty(STDOUT_FILENO) != 0;
  terminal.err_is_terminal = isatty(STDERR_FILENO) != 0;
  terminal.confirm = ask;
  return terminal;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void Table::add(std::vector<std::string> row) {
  GABION_CHECK(row.size() == columns_.size(), "a row has a cell for each column");
  rows_.push_back(std::move(row));
}

std::string Table::aligned() const {
  std::vector<std::size_t> widths;
  for (const std::string& column : columns_) widths.push_back(width_of(column));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      text.append(widths[i] - width_of(cells[i]) + 2, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(columns_);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string Table::tab_separated() const {
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      std::replace_if(cell.begin(), cell.end(), [](char c) { return c == '\t' || c == '\n'; }, ' ');
      out += (i == 0 ? "" : "\t") + cell;
    }
    out += "\n";
  }
  return out;
}

}  // namespace gabion::admin
