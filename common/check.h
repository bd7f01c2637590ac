// GABION_CHECK(condition, "why") guards what we promise ourselves. It stays on in release and aborts the process: corrupt state
// must never reach a drive. Input from a socket, a file or a person is never checked this way; it yields an Error.
#pragma once

namespace gabion {
[[noreturn]] void check_failed(const char* condition, const char* why, const char* file, int line);
}

#define GABION_CHECK(condition, why) \
  ((condition) ? static_cast<void>(0) : ::gabion::check_failed(#condition, why, __FILE__, __LINE__))
