#include <fmt/format.h>

#include <algorithm>

#include "tools/admin/change.h"
#include "tools/span_text.h"

namespace gabion::admin {
namespace {

constexpr std::size_t kBarCells = 20;
constexpr Duration kRefresh = std::chrono::milliseconds(500);
constexpr Duration kLineInterval = std::chrono::seconds(5);
// A node that is asked may restart while its cluster goes on.
constexpr Duration kPatience = std::chrono::seconds(60);

bool frees(const boost::json::object& job) { return text_of(job, "type") == "orphans"; }

std::string what_failed(const boost::json::object& job) {
  return fmt::format("{} {}", number_of(job, "failedBlocks"), frees(job) ? "drives were left out" : "blocks failed");
}

// How a job that has come to its end ends the command.
int end_of(Session& session, const boost::json::object& job) {
  const std::string name = text_of(job, "name");
  if (session.options.json) session.terminal.out(boost::json::serialize(job) + "\n");
  if (text_of(job, "state") == "cancelled") {
    return session.fail(Exit::job_failed, fmt::format("{} was cancelled", name));
  }
  if (number_of(job, "failedBlocks") != 0) {
    return session.fail(Exit::job_failed, fmt::format("{0} is done, but {1}; see: gabion admin job show {0}", name,
                                                      what_failed(job)));
  }
  session.note(fmt::format("{} is done\n", name));
  return static_cast<int>(Exit::ok);
}

}  // namespace

std::string job_line(const Session& session, const boost::json::object& job) {
  const double part = real_of(job, "fraction");
  std::string out = fmt::format("{} {}  {} {}", text_of(job, "name"), text_of(job, "type"), progress_bar(part, kBarCells),
                                percent(part));
  const std::uint64_t bytes = number_of(job, "bytesMoved");
  if (bytes != 0) out += fmt::format("  {} {}", session.size(bytes), frees(job) ? "freed" : "moved");
  if (number_of(job, "bytesPerSecond") != 0) out += fmt::format("  {}/s", session.size(number_of(job, "bytesPerSecond")));
  if (job.contains("secondsLeft")) out += "  ETA " + span_text(number_of(job, "secondsLeft"));
  if (text_of(job, "state") != "running") out += "  " + text_of(job, "state");
  if (number_of(job, "failedBlocks") != 0) out += "  " + what_failed(job);
  return out;
}

int follow_job(Session& session, const std::string& job) {
  Followed followed;
  followed.path = "jobs/" + job;
  followed.what = job;
  followed.command = "gabion admin job watch " + job;
  followed.line = [&session](const boost::json::object& body) { return job_line(session, body); };
  followed.end = [&session](const boost::json::object& body) -> std::optional<int> {
    const std::string state = text_of(body, "state");
    if (state != "done" && state != "cancelled") return std::nullopt;
    const std::string next = text_of(body, "next");
    if (state == "cancelled" || number_of(body, "failedBlocks") != 0 || next.empty()) return end_of(session, body);
    session.note(fmt::format("{} is done, {} carries on\n", text_of(body, "name"), next));
    return follow_job(session, next);
  };
  return follow(session, followed);
}

int follow(Session& session, const Followed& followed) {
  const TimePoint start = session.clock.now();
  const bool drawing = session.terminal.err_is_terminal && !session.options.quiet;
  const Duration limit = std::chrono::seconds(session.options.wait_seconds);
  TimePoint heard = start, said = start - kLineInterval;
  const auto erase = [&] {
    if (drawing) session.terminal.err("\r\033[K");
  };
  for (;;) {
    const Answer answer = session.client.get(followed.path);
    const TimePoint now = session.clock.now();
    if (answer.exit == Exit::interrupted) break;
    if (answer.exit == Exit::ok) {
      heard = now;
      erase();
      if (const auto ended = followed.end(answer.body)) return *ended;
      if (drawing) {
        session.terminal.err(followed.line(answer.body));
      } else if (now - said >= kLineInterval) {
        said = now;
        session.note(boost::json::serialize(answer.body) + "\n");
      }
    } else if (answer.exit != Exit::unavailable || now - heard > kPatience) {
      erase();
      return session.fail(answer);
    }
    if (session.options.wait_seconds != 0 && now - start >= limit) {
      erase();
      return session.fail(Exit::timeout, fmt::format("{} is still running; watch it with: {}", followed.what, followed.command));
    }
    if (!session.client.pause(kRefresh)) break;
  }
  erase();
  return session.fail(Exit::interrupted, fmt::format("{} goes on; watch it with: {}", followed.what, followed.command));
}

}  // namespace gabion::admin
