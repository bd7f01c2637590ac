#include "tools/bench/server_cpu.h"

#include <charconv>

#include "common/text.h"
#include "tools/bench/connection.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/worker.h"

namespace gabion::bench {
namespace {

constexpr std::size_t kPageBytesMax = 16 * MiB;

}  // namespace

std::optional<double> find_cpu_seconds(std::string_view page) {
  constexpr std::string_view kName = "process_cpu_seconds_total";
  for (const std::string_view line : split(page, '\n')) {
    if (!line.starts_with(kName)) continue;
    const std::size_t space = line.find(' ');
    if (space == line.npos) continue;
    const std::string_view number = trim(line.substr(space + 1));
    double seconds = 0;
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), seconds);
    if (code == std::errc()) return seconds;
  }
  return std::nullopt;
}

task<Result<double>> read_cpu_seconds(std::string url) {
  CO_TRY(const Endpoint endpoint, parse_endpoint(url));
  auto executor = co_await asio::this_coro::executor;
  CO_TRY(const auto peer, resolve(endpoint));
  Connection connection(executor, peer);
  const std::string path = endpoint.path.empty() ? "/metrics" : endpoint.path;
  CO_TRY(const ResponseHead head,
         co_await connection.request(
             fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path, endpoint.authority), {}));
  std::string page;
  for (;;) {
    CO_TRY(const ByteView piece, co_await connection.read_some());
    if (piece.empty()) break;
    page += as_text(piece);
    if (page.size() > kPageBytesMax) co_return Error(Errc::too_large, "the metrics page is too long");
  }
  const auto seconds = find_cpu_seconds(page);
  if (head.status != 200 || !seconds) {
    co_return Error(Errc::not_found,
                    fmt::format("{} has no process_cpu_seconds_total (status {})", url, head.status));
  }
  co_return *seconds;
}

}  // namespace gabion::bench
