#include "gateway/http/parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/version.hpp>
#include <cstring>
#include <optional>

#include "common/check.h"
#include "common/text.h"
#include "gateway/http/chunked_decoder.h"
#include "gateway/http/grammar.h"

namespace gabion::gateway::http {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kEmptyLinesMax = 2;      // before a request: some clients send one after a body
constexpr std::size_t kRequestLineExtra = 64;  // method, version, spaces and the line's end

constexpr Refusal kMalformed{400, "InvalidRequest", "The request is not well-formed HTTP."};
constexpr Refusal kBareLineEnd{400, "InvalidRequest", "A line of the request does not end with CR LF."};
constexpr Refusal kFolded{400, "InvalidRequest", "A header is folded over several lines."};
constexpr Refusal kHeadersTooLarge{400, "RequestHeaderSectionTooLarge",
                                   "Your request header section exceeds the maximum allowed size."};
constexpr Refusal kTargetTooLong{414, "InvalidURI", "The request target is too long."};
constexpr Refusal kBadTarget{400, "InvalidURI", "Couldn't parse the specified URI."};
constexpr Refusal kBadHost{400, "InvalidRequest", "A request needs exactly one valid Host header."};
constexpr Refusal kBadLength{400, "InvalidRequest", "The Content-Length header is not one decimal number."};
constexpr Refusal kBadEncoding{400, "InvalidRequest",
                               "Transfer-Encoding must be chunked, alone, and without Content-Length."};
constexpr Refusal kConnect{405, "MethodNotAllowed",
                           "The specified method is not allowed against this resource."};

// What RFC 3986 allows in an authority, without user information and without the comma that would join two
// hosts.
bool is_host(std::string_view host) {
  for (const char c : host) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         (c != '\0' && std::strchr("-._~%!$&'()*+;=:[]", c) != nullptr);
    if (!allowed) return false;
  }
  return true;
}

// Whether a comma-separated list has this element, in any case.
bool lists(std::string_view value, std::string_view element) {
  for (const std::string_view item : split(value, ',')) {
    if (equals_ignoring_case(trim(item), element)) return true;
  }
  return false;
}

std::string_view to_view(beast::string_view text) { return {text.data(), text.size()}; }

// Beast's request grammar. It sees a head only when it is whole, and nothing after it.
class HeadGrammar final : public beast::http::basic_parser<true> {
 public:
  HeadGrammar(const ParserLimits& limits, RequestHead& head) : limits_(limits), head_(head) {
    header_limit(0xffffffff);  // the caller has checked
    body_limit(boost::none);
  }
  int version() const { return version_; }
  bool too_many() const { return too_many_; }

 private:
  using Verb = beast::http::verb;
  using Field = beast::http::field;
  using Text = beast::string_view;

  void on_request_impl(Verb, Text method, Text target, int version, ErrorCode& error) override {
    error = {};
    head_.method = to_view(method);
    head_.target = to_view(target);
    version_ = version;
  }
  void on_field_impl(Field, Text name, Text value, ErrorCode& error) override {
    error = {};
    too_many_ = head_.headers.size() == limits_.header_count;
    if (too_many_) {
      error = beast::http::error::header_limit;
      return;
    }
    head_.headers.push_back({to_lower(to_view(name)), std::string(to_view(value))});
  }
#if BOOST_VERSION >= 109000
  void on_trailer_field_impl(Field, Text, Text, ErrorCode& error) override { error = {}; }
#endif
  void on_response_impl(int, Text, int, ErrorCode& error) override { error = {}; }
  void on_header_impl(ErrorCode& error) override { error = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode& error) override { error = {}; }
  std::size_t on_body_impl(Text, ErrorCode& error) override { return error = {}, 0; }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, Text, ErrorCode& error) override { return error = {}, 0; }
  void on_finish_impl(ErrorCode& error) override { error = {}; }

  const ParserLimits& limits_;
  RequestHead& head_;
  int version_ = 11;
  bool too_many_ = false;
};

}  // namespace

struct RequestParser::State {
  // The scan for the end of the head.
  std::size_t line_start = 0;
  std::size_t searched = 0;       // no line ends before this that has not been seen
  std::size_t request_start = 0;  // after empty lines
  std::size_t headers_start = 0;  // 0 until the request line is complete
  std::size_t empty_lines = 0;

  int version = 11;
  bool keep_alive = false;
  bool expects_continue = false;
  std::optional<ChunkedDecoder> chunks;
  bool body_done = false;
  std::uint64_t left = 0;
  Refusal refusal = kMalformed;

  Parse refuse(const Refusal& why) {
    refusal = why;
    return Parse::failed;
  }
  Parse scan(std::string_view text, const ParserLimits& limits, std::size_t& head_end);
  Parse check_line(std::string_view text, std::size_t end, const ParserLimits& limits, bool& head_ends);
  Parse check_pending(std::string_view text, const ParserLimits& limits);
  Parse parse(ByteView whole, const ParserLimits& limits, RequestHead& head);
  Parse check_head(RequestHead& head);
  Parse check_target(RequestHead& head);
  Parse check_framing(RequestHead& head);
};

RequestParser::RequestParser(const ParserLimits& limits)
    : limits_(limits), state_(std::make_unique<State>()) {}
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  std::destroy_at(state_.get());
  std::construct_at(state_.get());
}

bool RequestParser::keep_alive() const { return state_->keep_alive; }
bool RequestParser::is_http_10() const { return state_->version == 10; }
bool RequestParser::expects_continue() const { return state_->expects_continue; }
bool RequestParser::body_done() const { return state_->body_done; }
std::uint64_t RequestParser::body_left() const { return state_->left; }
const std::vector<Header>& RequestParser::trailers() const {
  static const std::vector<Header> kNone;
  return state_->chunks ? state_->chunks->trailers() : kNone;
}
const Refusal& RequestParser::refusal() const { return state_->refusal; }

// --- Head ---

// Looks at one complete line that ends (after its LF) at `end`.
Parse RequestParser::State::check_line(std::string_view text, std::size_t end, const ParserLimits& limits,
                                       bool& head_ends) {
  const std::string_view line = text.substr(line_start, end - line_start);
  if (line.size() < 2 || line[line.size() - 2] != '\r') return refuse(kBareLineEnd);
  if (headers_start == 0) {
    if (line.size() == 2) {
      if (++empty_lines > kEmptyLinesMax) return refuse(kMalformed);
      request_start = end;
    } else {
      if (line.size() > limits.target_bytes + kRequestLineExtra) return refuse(kTargetTooLong);
      headers_start = end;
    }
    return Parse::done;
  }
  if (end - headers_start > limits.header_bytes) return refuse(kHeadersTooLarge);
  if (line.front() == ' ' || line.front() == '\t') return refuse(kFolded);
  head_ends = line.size() == 2;
  return Parse::done;
}

// Looks at the beginning of a line whose end is not there yet.
Parse RequestParser::State::check_pending(std::string_view text, const ParserLimits& limits) {
  if (headers_start == 0) {
    if (text.size() - request_start > limits.target_bytes + kRequestLineExtra) return refuse(kTargetTooLong);
  } else if (text.size() - headers_start > limits.header_bytes) {
    return refuse(kHeadersTooLarge);
  }
  return Parse::need_more;
}

// Finds the empty line that ends the head, line by line, so that Beast sees it only as a whole: what is
// refused does not depend on how the bytes were cut, and nothing is parsed twice.
Parse RequestParser::State::scan(std::string_view text, const ParserLimits& limits, std::size_t& head_end) {
  for (;;) {
    // A request begins with its method: a TLS handshake or other noise is refused at once, not after a
    // timeout.
    if (line_start == request_start && line_start < text.size()) {
      const char first = text[line_start];
      if (!is_token_char(first) && first != '\r' && first != '\n') return refuse(kMalformed);
    }
    const void* found = std::memchr(text.data() + searched, '\n', text.size() - searched);
    if (found == nullptr) {
      searched = text.size();
      return check_pending(text, limits);
    }
    const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1;
    bool head_ends = false;
    if (const Parse outcome = check_line(text, end, limits, head_ends); outcome == Parse::failed)
      return outcome;
    line_start = searched = end;
    if (!head_ends) continue;
    head_end = end;
    return Parse::done;
  }
}

HeadStep RequestParser::parse_head(ByteView buffered, RequestHead& head) {
  State& state = *state_;
  if (buffered.empty()) return {};
  std::size_t head_end = 0;
  const Parse scanned = state.scan(as_text(buffered), limits_, head_end);
  if (scanned != Parse::done) return {scanned, 0};

  const ByteView whole = buffered.subspan(state.request_start, head_end - state.request_start);
  if (state.parse(whole, limits_, head) == Parse::failed) return {Parse::failed, 0};
  if (head.chunked) state.chunks.emplace(limits_);
  return {Parse::done, head_end};
}

Parse RequestParser::State::parse(ByteView whole, const ParserLimits& limits, RequestHead& head) {
  head.headers.clear();
  head.content_length.reset();
  head.chunked = false;
  HeadGrammar grammar(limits, head);
  ErrorCode error;
  const std::size_t parsed = grammar.put({whole.data(), whole.size()}, error);
  version = grammar.version();
  using Code = beast::http::error;
  if (grammar.too_many()) return refuse(kHeadersTooLarge);
  if (error == Code::bad_content_length || error == Code::multiple_content_length) return refuse(kBadLength);
  if (error == Code::bad_transfer_encoding) return refuse(kBadEncoding);
  if (error || parsed != whole.size() || !grammar.is_header_done()) return refuse(kMalformed);
  return check_head(head);
}

Parse RequestParser::State::check_head(RequestHead& head) {
  if (head.method == "CONNECT") return refuse(kConnect);
  if (const Parse outcome = check_framing(head); outcome == Parse::failed) return outcome;
  return check_target(head);
}

Parse RequestParser::State::check_framing(RequestHead& head) {
  const bool is_10 = version == 10;
  bool close = false, keep = false;
  for (const Header& header : head.headers) {
    if (header.name == "content-length") {
      const auto length = parse_u64(header.value);
      if (!length || head.content_length) return refuse(kBadLength);
      head.content_length = length;
    } else if (header.name == "transfer-encoding") {
      if (head.chunked || is_10 || !equals_ignoring_case(header.value, "chunked"))
        return refuse(kBadEncoding);
      head.chunked = true;
    } else if (header.name == "connection") {
      close = close || lists(header.value, "close");
      keep = keep || lists(header.value, "keep-alive");
    } else if (header.name == "expect") {
      expects_continue = expects_continue || (!is_10 && equals_ignoring_case(header.value, "100-continue"));
    }
  }
  if (head.chunked && head.content_length) return refuse(kBadEncoding);
  keep_alive = !close && (keep || !is_10);
  left = head.content_length.value_or(0);
  body_done = !head.chunked && left == 0;
  // Botocore waits for 100 Continue before an empty body too; only a request without any body has nothing to wait for.
  expects_continue = expects_continue && (!body_done || head.content_length.has_value());
  return Parse::done;
}

// Reduces an absolute target to origin form; its host counts, whatever the Host header says (RFC
// 9112, 3.2.2).
Parse RequestParser::State::check_target(RequestHead& head) {
  Header* host = nullptr;
  for (Header& header : head.headers) {
    if (header.name != "host") continue;
    if (host != nullptr || !is_host(header.value)) return refuse(kBadHost);
    host = &header;
  }
  if (host == nullptr && version != 10) return refuse(kBadHost);
  if (head.target.front() == '/') return Parse::done;

  const std::size_t scheme_end = head.target.find("://");
  if (scheme_end == std::string::npos) return refuse(kBadTarget);
  const auto scheme = std::string_view(head.target).substr(0, scheme_end);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https"))
    return refuse(kBadTarget);
  const std::string rest = head.target.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string authority = rest.substr(0, authority_end);
  if (authority.empty() || !is_host(authority)) return refuse(kBadTarget);
  head.target = rest.substr(authority_end);
  if (head.target.empty() || head.target.front() != '/') head.target.insert(0, "/");
  if (host == nullptr) {
    head.headers.push_back({"host", authority});
  } else {
    host->value = authority;
  }
  return Parse::done;
}

// --- Body ---

BodyStep RequestParser::next_body(ByteView buffered) {
  State& state = *state_;
  BodyStep step;
  if (state.body_done) {
    step.outcome = Parse::done;
    return step;
  }
  if (state.chunks) {
    step = state.chunks->next(buffered);
    if (step.outcome == Parse::failed) state.refusal = state.chunks->refusal();
  } else {
    step.consumed = static_cast<std::size_t>(std::min<std::uint64_t>(state.left, buffered.size()));
    step.data = buffered.first(step.consumed);
    state.left -= step.consumed;
    if (state.left == 0) step.outcome = Parse::done;
  }
  state.body_done = step.outcome == Parse::done;
  return step;
}

}  // namespace gabion::gateway::http
