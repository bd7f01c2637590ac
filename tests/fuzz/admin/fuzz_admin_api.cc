// Any request to the admin API gets one JSON answer: the first line is the method and the path, the rest the body.
#include <boost/json.hpp>

#include "common/check.h"
#include "tests/support/run.h"
#include "tests/unit/admin/fake_control.h"

namespace gabion::test {
namespace {

task<Result<serve::AdminAnswer>> nobody(Context, NodeId, serve::AdminRequest) {
  co_return Error(Errc::unavailable, "nobody is asked");
}

void answer(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::size_t space = std::min(input.find(' '), line);
  serve::AdminRequest request;
  request.method = input.substr(0, space);
  if (space < line) request.path = input.substr(space + 1, line - space - 1);
  if (line < input.size()) request.body = input.substr(line + 1);
  FakeControl control;
  serve::AdminApi api(control, nobody);
  const serve::AdminAnswer answered = run(api.answer(Context{}, std::move(request)));
  GABION_CHECK(boost::json::parse(answered.body).as_object().contains("apiVersion"), "every answer names its version");
}

}  // namespace
}  // namespace gabion::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gabion::test::answer(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
