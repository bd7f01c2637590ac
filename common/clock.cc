#include "common/clock.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gabion {

TimePoint RealClock::now() const { return std::chrono::steady_clock::now(); }

WallMicros RealClock::wall() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<WallMicros>(std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count());
}

task<void> RealClock::sleep(Duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  boost::system::error_code ignored;  // a cancelled wait simply returns early
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace gabion
