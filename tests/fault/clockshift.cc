// clockshift is preloaded into a program to shift its wall clock by CLOCK_SHIFT seconds, the monotonic clock left alone. It
// asks the kernel directly and allocates nothing, so that it works below any allocator.
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace {

time_t shift() {
  const char* text = environ == nullptr ? nullptr : std::getenv("CLOCK_SHIFT");
  return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

bool is_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const long rc = syscall(SYS_clock_gettime, clock, out);
  if (rc == 0 && is_wall(clock)) out->tv_sec += shift();
  return static_cast<int>(rc);
}

extern "C" int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  const int rc = clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return rc;
}

extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
