// Decodes the same aws-chunked bytes whole and in pieces, through the whole payload. The first bytes choose the mode, the
// announced length and the size of the pieces. Both must agree, never give more than was announced, and never crash.
#include <boost/asio/io_context.hpp>
#include <cstdlib>

#include "gateway/s3/auth/payload.h"
#include "tests/support/fake_exchange.h"
#include "tests/support/run.h"

using namespace gabion;
using namespace gabion::gateway;

namespace {

struct Outcome {
  std::string body;
  std::string error;
};

task<Outcome> read(http::Exchange& exchange, s3::Authentication authentication) {
  Outcome out;
  s3::PayloadOptions options;
  options.compute_md5 = true;
  auto payload = s3::Payload::open(exchange, authentication, options);
  if (!payload) {
    out.error = payload.error().code->name;
    co_return out;
  }
  for (;;) {
    const auto piece = co_await (*payload)->next();
    if (!piece) out.error = piece.error().code->name;
    if (!piece || piece->empty()) co_return out;
    out.body += as_text(*piece);
  }
}

Outcome decode(std::string_view text, const http::RequestHead& head, const s3::Authentication& authentication,
               std::size_t piece) {
  std::vector<std::string> pieces;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) pieces.emplace_back(text.substr(0, piece));
  test::FakeExchange exchange(head, std::move(pieces));
  return test::run(read(exchange, authentication));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 4, size - 4);
  const std::uint64_t length = data[1] * 256u + data[2];
  s3::Authentication authentication;
  authentication.signing_key = std::string(32, 'k');
  const s3::PayloadMode modes[] = {s3::PayloadMode::streaming_signed, s3::PayloadMode::streaming_signed_trailer,
                                   s3::PayloadMode::streaming_unsigned_trailer};
  authentication.payload = modes[data[0] % 3];
  std::vector<http::Header> headers = {{"x-amz-decoded-content-length", std::to_string(length)},
                                       {"transfer-encoding", "chunked"}};
  if (data[0] % 3 != 0) headers.push_back({"x-amz-trailer", "x-amz-checksum-crc32"});
  const auto head = test::request("PUT", "/b/k", headers);
  const Outcome whole = decode(text, head, authentication, std::string::npos);
  const Outcome split = decode(text, head, authentication, 1 + data[3] % 64);
  if (whole.error != split.error) std::abort();
  if (whole.error.empty() && (whole.body != split.body || whole.body.size() != length)) std::abort();
  if (whole.body.size() > length || split.body.size() > length) std::abort();
  return 0;
}
