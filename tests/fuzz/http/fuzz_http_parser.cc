// Any bytes, cut into reads of any size, parse without harm and to the same outcome as in one piece; what is
// accepted keeps the parser's promises. The first byte of the input chooses the size of the reads.
#include <cstddef>
#include <cstdint>

#include "common/check.h"
#include "gateway/http/grammar.h"
#include "gateway/http/parser.h"

namespace {

using namespace gabion;
using namespace gabion::gateway::http;

constexpr std::size_t kRequestsMax = 16;

std::string describe(const RequestHead& head) {
  std::string out = head.method + " " + head.target + (head.chunked ? " chunked" : "");
  if (head.content_length) out += " " + std::to_string(*head.content_length);
  for (const Header& header : head.headers) out += "\n" + header.name + ":" + header.value;
  return out;
}

void check_promises(const RequestHead& head) {
  GABION_CHECK(!head.method.empty() && head.target.front() == '/', "a target is not in origin form");
  GABION_CHECK(!(head.chunked && head.content_length), "two framings");
  std::size_t hosts = 0;
  for (const Header& header : head.headers) {
    hosts += header.name == "host";
    for (const char c : header.name) GABION_CHECK(is_token_char(c) && (c < 'A' || c > 'Z'), "a bad name");
    for (const char c : header.value) GABION_CHECK(!is_control(c), "a control character in a value");
  }
  GABION_CHECK(hosts <= 1, "two hosts");
  for (const char c : head.target)
    GABION_CHECK(!is_control(c) && c != ' ', "a control character in the target");
}

// Everything that the parser makes of these bytes, as text.
std::string outcome(std::string_view input, std::size_t step) {
  RequestParser parser{ParserLimits()};
  RequestHead head;
  std::string buffer, out;
  bool in_body = false;
  std::size_t sent = 0, requests = 0;
  for (;;) {
    Parse parse;
    std::size_t consumed;
    if (in_body) {
      const BodyStep body = parser.next_body(as_bytes(buffer));
      out += as_text(body.data);
      parse = body.outcome;
      consumed = body.consumed;
    } else {
      const HeadStep step_taken = parser.parse_head(as_bytes(buffer), head);
      parse = step_taken.outcome;
      consumed = step_taken.consumed;
      if (parse == Parse::done) {
        check_promises(head);
        out += "[" + describe(head) + "]";
      }
    }
    GABION_CHECK(consumed <= buffer.size(), "more is consumed than there is");
    buffer.erase(0, consumed);
    if (parse == Parse::failed) return out + "[failed]";
    if (parse == Parse::done && in_body) {
      for (const Header& header : parser.trailers()) out += "[" + header.name + ":" + header.value + "]";
      if (++requests == kRequestsMax) return out;
      parser.reset();
    }
    if (parse == Parse::done) in_body = !in_body;
    if (parse == Parse::done || consumed != 0) continue;
    if (sent == input.size()) return out;
    const std::size_t n = std::min(step, input.size() - sent);
    buffer += input.substr(sent, n);
    sent += n;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = outcome(input, SIZE_MAX);
  GABION_CHECK(whole == outcome(input, std::size_t{data[0]} % 16 + 1),
               "the outcome depends on how the bytes were cut");
  return 0;
}
