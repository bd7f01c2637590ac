#include "common/async.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace gabion {

void escaped_exception(std::string_view task_name, const std::exception_ptr& exception) {
  std::string what = "not a std::exception";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  std::fprintf(stderr, "task %.*s threw: %s\n", static_cast<int>(task_name.size()), task_name.data(), what.c_str());
  std::abort();
}

}  // namespace gabion
