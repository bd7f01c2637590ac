#include "common/check.h"

#include <cstdio>
#include <cstdlib>

namespace gabion {

void check_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s (%s)\n", file, line, why, condition);
  std::abort();
}

}  // namespace gabion
