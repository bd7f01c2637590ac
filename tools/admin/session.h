// What every command of `gabion admin` has at hand: the API, the terminal, and how the user wants to see things. The ways to
// read JSON here give an empty value for a member that is not there, so that an older server is no reason to stop.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "tools/admin/client.h"
#include "tools/admin/terminal.h"

namespace gabion::admin {

struct Options {
  bool json = false;
  bool bytes = false;  // sizes as plain numbers
  bool quiet = false;
  bool yes = false;
  bool dry_run = false;
  std::string plan_id;
  bool wait = false;
  std::uint64_t wait_seconds = 0;  // 0: as long as it takes
};

class Session {
 public:
  Session(Client& client, Terminal& terminal, const Options& options, Clock& clock)
      : client(client), terminal(terminal), options(options), clock(clock) {}

  // Prints the document, or in its place what `text` makes of it.
  int show(const Answer& answer, const std::function<std::string(const boost::json::object&)>& text);
  int show_table(const Answer& answer, const std::function<Table(const boost::json::object&)>& table);
  // Prints why it did not work and gives the exit code.
  int fail(const Answer& answer);
  int fail(Exit exit, std::string_view message);
  void note(std::string_view text);  // for people: to standard error unless --quiet
  std::string size(std::uint64_t bytes) const;
  std::string size_of(const boost::json::object& object, std::string_view name) const;  // "-": nobody has told it yet

  Client& client;
  Terminal& terminal;
  const Options& options;
  Clock& clock;
};

std::string text_of(const boost::json::object& object, std::string_view name);
std::uint64_t number_of(const boost::json::object& object, std::string_view name);
bool is_told(const boost::json::object& object, std::string_view name);  // false: null, nobody has told it yet
double real_of(const boost::json::object& object, std::string_view name);
bool flag_of(const boost::json::object& object, std::string_view name);
const boost::json::object& object_of(const boost::json::object& object, std::string_view name);
const boost::json::array& list_of(const boost::json::object& object, std::string_view name);
std::string joined(const boost::json::array& texts, std::string_view separator);

std::string percent(double part);                // "57.3%"
std::string used_percent(const boost::json::object& space);  // of rawBytes; "-": nobody has told it yet
std::string ago(std::string_view date, WallMicros now);  // "12m ago"; "-" for no date
std::string progress_bar(double part, std::size_t cells);

}  // namespace gabion::admin
