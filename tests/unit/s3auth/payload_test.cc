#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "common/digest.h"
#include "common/rng.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/auth/md5_lanes.h"
#include "gateway/s3/auth/payload.h"
#include "tests/support/run.h"
#include "tests/support/s3_signer.h"

using namespace gabion;
using namespace gabion::gateway::s3;
using gabion::test::request;
namespace http = gabion::gateway::http;

namespace {

const test::OneCredential kCredentials;

struct Outcome {
  std::string error;  // the code, or empty
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;
  std::string body;
  std::string md5;
  metadata::Checksum checksum;
  std::optional<std::uint64_t> length;
  bool client_checksum = false;
};

Outcome failed(const S3Error& error) {
  Outcome out;
  out.error = error.code->name;
  out.message = error.message;
  out.details = error.details;
  return out;
}

task<Outcome> read(http::Exchange& exchange, Authentication authentication, PayloadOptions options, bool with_lanes) {
  Md5Lanes lanes(co_await asio::this_coro::executor);
  if (with_lanes) options.lanes = &lanes;
  auto opened = Payload::open(exchange, authentication, options);
  if (!opened) co_return failed(opened.error());
  Payload& payload = **opened;
  Outcome out;
  out.length = payload.length();
  for (;;) {
    const auto piece = co_await payload.next();
    if (!piece) {
      const auto again = co_await payload.next();  // an error stays
      GABION_CHECK(again.has_error() && again.error().code == piece.error().code, "a failed body stays failed");
      co_return failed(piece.error());
    }
    if (piece->empty()) break;
    out.body += as_text(*piece);
  }
  out.md5 = payload.md5();
  out.checksum = payload.checksum();
  out.client_checksum = payload.has_client_checksum();
  GABION_CHECK(payload.size() == out.body.size(), "the size is that of what was read");
  const auto end = co_await payload.next();
  GABION_CHECK(end.has_value() && end->empty(), "the end stays the end");
  co_return out;
}

std::string random_text(std::size_t size) {
  SeededRng rng(size);
  std::string text(size, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::string> split_at(std::string_view text, std::size_t size) {
  std::vector<std::string> out;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) out.emplace_back(text.substr(0, size));
  return out;
}

const char* const kModes[] = {"UNSIGNED-PAYLOAD", "hash", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"};

bool streams(std::string_view mode) { return mode.starts_with("STREAMING"); }
bool trails(std::string_view mode) { return mode.ends_with("TRAILER"); }

enum class Auth { header, presigned, anonymous };
enum class Framing { length, chunked };

// A PUT of `body` in one of the modes, with a CRC32 in the trailer where there is one.
struct Upload {
  Upload() = default;
  std::string body = "Welcome to Amazon S3.";
  std::string mode = "UNSIGNED-PAYLOAD";
  std::vector<http::Header> headers;
  Auth auth = Auth::header;
  Framing framing = Framing::length;
  std::size_t split = std::string::npos;
  std::size_t chunk_size = 64 * 1024;
  std::string trailer;                              // another than the right one
  std::function<void(std::string&)> damage;         // to the bytes on the wire
  std::optional<std::string> decoded_length;        // another than the right one
  std::optional<Error> read_error;
  PayloadOptions options;
  bool with_lanes = false;

  std::string right_trailer() const {
    ChecksumStream stream(*checksum_kind(metadata::CRC32));
    stream.update(as_bytes(body));
    return "x-amz-checksum-crc32:" + base64_encode(as_bytes(stream.finish()));
  }

  Outcome run() const {
    http::RequestHead head = request("PUT", "/bucket/key", {{"Host", "localhost"}});
    for (http::Header header : headers) {
      header.name = to_lower(header.name);
      head.headers.push_back(header);
    }
    if (streams(mode)) {
      head.headers.push_back({"content-encoding", "aws-chunked"});
      const std::string length = decoded_length.value_or(std::to_string(body.size()));
      if (!length.empty()) head.headers.push_back({"x-amz-decoded-content-length", length});
    }
    if (trails(mode) && !head.find("x-amz-trailer")) head.headers.push_back({"x-amz-trailer", "x-amz-checksum-crc32"});
    test::SignOptions how;
    how.payload_hash = mode == "hash" ? sha256_hex(body) : mode;
    if (auth == Auth::header) {
      head = test::sign(head, how);
    } else if (mode != "UNSIGNED-PAYLOAD") {
      head.headers.push_back({"x-amz-content-sha256", how.payload_hash});
    }
    if (auth == Auth::presigned) head = test::presign(head);
    const auto authentication = authenticate(head, kCredentials, {}, test::kNow);
    if (!authentication) return failed(authentication.error());
    std::string wire = body;
    if (streams(mode)) {
      test::ChunkedOptions chunks;
      chunks.chunk_size = chunk_size;
      if (trails(mode)) chunks.trailer = trailer.empty() ? right_trailer() : trailer;
      wire = test::frame_chunks(body, *authentication, chunks);
    }
    if (damage) damage(wire);
    if (framing == Framing::length) head.content_length = wire.size();
    else head.chunked = true;
    test::FakeExchange exchange(head, split_at(wire, split));
    if (read_error) exchange.fail_body(*read_error);
    return test::run(read(exchange, *authentication, options, with_lanes));
  }
};

std::string member(const Outcome& outcome, std::string_view name) {
  for (const auto& [key, value] : outcome.details) {
    if (key == name) return value;
  }
  return "(absent)";
}

}  // namespace

TEST_CASE("every authentication with every payload mode and framing gives the body, or a clear refusal") {
  for (const Auth auth : {Auth::header, Auth::presigned, Auth::anonymous}) {
    for (const char* mode : kModes) {
      for (const Framing framing : {Framing::length, Framing::chunked}) {
        for (const std::size_t split : {std::size_t{1}, std::size_t{3000}, std::string::npos}) {
          for (const bool with_lanes : {false, true}) {
            INFO(static_cast<int>(auth) << " " << mode << " " << static_cast<int>(framing) << " " << split);
            Upload upload;
            upload.auth = auth;
            upload.mode = mode;
            upload.framing = framing;
            upload.split = split;
            upload.with_lanes = with_lanes;
            upload.body = random_text(20000);
            upload.chunk_size = 8192;
            upload.options.compute_md5 = true;
            upload.options.default_checksum = metadata::CRC64NVME;
            const Outcome out = upload.run();
            if (auth == Auth::anonymous && std::string_view(mode).starts_with("STREAMING-AWS4")) {
              CHECK(out.error == "InvalidRequest");
              continue;
            }
            CHECK(out.error == "");
            CHECK(out.body == upload.body);
            CHECK(out.md5 == md5(as_bytes(upload.body)));
            CHECK(out.client_checksum == trails(mode));
            CHECK(out.checksum.algorithm() == (trails(mode) ? metadata::CRC32 : metadata::CRC64NVME));
            const bool knows = streams(mode) || framing == Framing::length;
            CHECK(out.length == (knows ? std::optional<std::uint64_t>(20000) : std::nullopt));
          }
        }
      }
    }
  }
}

TEST_CASE("an empty body is a body in every mode") {
  for (const char* mode : kModes) {
    INFO(mode);
    Upload upload;
    upload.mode = mode;
    upload.body = "";
    upload.options.compute_md5 = true;
    const Outcome out = upload.run();
    CHECK(out.error == "");
    CHECK(out.md5 == md5({}));
  }
}

TEST_CASE("a changed byte of a signed body is noticed in every signed mode") {
  for (const char* mode : {"hash", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}) {
    for (const bool with_lanes : {false, true}) {
      INFO(mode);
      Upload upload;
      upload.mode = mode;
      upload.with_lanes = with_lanes;
      upload.options.compute_md5 = true;
      upload.body = random_text(70000);
      upload.damage = [](std::string& wire) { wire[wire.size() / 2] ^= 1; };
      CHECK(upload.run().error == (mode == std::string_view("hash") ? "XAmzContentSHA256Mismatch" : "SignatureDoesNotMatch"));
    }
  }
}

TEST_CASE("no chunk of a signed body can be dropped, swapped, repeated or changed") {
  Upload upload;
  upload.mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
  upload.body = random_text(3 * 8192);
  upload.chunk_size = 8192;
  const std::size_t line = std::string_view("2000;chunk-signature=\r\n").size() + 64;
  const std::size_t chunk = line + 8192 + 2;
  const std::function<void(std::string&)> damages[] = {
      [=](std::string& wire) { wire = wire.substr(chunk, chunk) + wire.substr(0, chunk) + wire.substr(2 * chunk); },
      [=](std::string& wire) { wire = wire.substr(0, chunk) + wire.substr(0, chunk) + wire.substr(2 * chunk); },
      [=](std::string& wire) { wire[line - 3] ^= 1; },               // signature of the first chunk
      [=](std::string& wire) { wire[3 * chunk + 20] ^= 1; },         // of the last, empty one
      [=](std::string& wire) { wire[2 * chunk + line + 5] ^= 1; },   // data
  };
  for (const auto& damage : damages) {
    upload.damage = damage;
    CHECK(upload.run().error == "SignatureDoesNotMatch");
  }
  upload.damage = [=](std::string& wire) { wire.erase(chunk, chunk); };
  CHECK(upload.run().error == "SignatureDoesNotMatch");
  upload.damage = [=](std::string& wire) { wire.erase(3 * chunk); };
  CHECK(upload.run().error == "IncompleteBody");
}

TEST_CASE("a chunk signature is as wrong as a request's: it shows what was signed") {
  Upload upload;
  upload.mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
  upload.damage = [](std::string& wire) { wire[30] ^= 1; };
  const Outcome out = upload.run();
  CHECK(out.error == "SignatureDoesNotMatch");
  CHECK(member(out, "StringToSign").starts_with("AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n"));
}

TEST_CASE("trailers are checked: name, value, signature, and nothing beside them") {
  const auto with = [](std::string mode, std::string trailer) {
    Upload upload;
    upload.mode = std::move(mode);
    upload.trailer = std::move(trailer);
    return upload.run();
  };
  for (const char* mode : {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}) {
    INFO(mode);
    const Outcome wrong = with(mode, "x-amz-checksum-crc32:AAAAAA==");
    CHECK(wrong.error == "BadDigest");
    CHECK(wrong.message == "The CRC32 you specified did not match the calculated checksum.");
    CHECK(with(mode, "x-amz-checksum-crc32c:AAAAAA==").error == "MalformedTrailerError");
    CHECK(with(mode, "x-amz-meta-colour:blue").error == "MalformedTrailerError");
    CHECK(with(mode, "nonsense").error == "MalformedTrailerError");
    CHECK(with(mode, "x-amz-checksum-crc32:xyz").message == "Value for x-amz-checksum-crc32 trailing header is invalid.");
    CHECK(with(mode, "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-checksum-crc32c:AAAAAA==").error != "");
    Upload missing;
    missing.mode = mode;
    missing.damage = [](std::string& wire) {
      const auto at = wire.find("x-amz-checksum");
      wire.erase(at, wire.find("\r\n", at) + 2 - at);
    };
    const bool is_signed = std::string_view(mode).starts_with("STREAMING-AWS4");
    CHECK(missing.run().error == (is_signed ? "SignatureDoesNotMatch" : "MalformedTrailerError"));
  }
  Upload forged;
  forged.mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  forged.damage = [](std::string& wire) { wire[wire.find("x-amz-trailer-signature:") + 30] ^= 1; };
  CHECK(forged.run().error == "SignatureDoesNotMatch");
  forged.damage = [](std::string& wire) { wire.erase(wire.find("x-amz-trailer-signature:")); wire += "\r\n"; };
  CHECK(forged.run().error == "SignatureDoesNotMatch");
  Upload extra;
  extra.mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  extra.damage = [](std::string& wire) { wire += "x-amz-trailer-signature:00\r\n\r\n"; };
  CHECK(extra.run().error == "MalformedTrailerError");
}

TEST_CASE("the unsigned trailer mode does without a trailer, the signed one does not") {
  http::RequestHead head =
      request("PUT", "/b/k", {{"Host", "h"}, {"Content-Length", "15"}, {"x-amz-decoded-content-length", "5"}});
  Authentication authentication;
  authentication.payload = PayloadMode::streaming_unsigned_trailer;
  test::FakeExchange exchange(head, {"5\r\nhello\r\n0\r\n\r\n"});
  const Outcome out = test::run(read(exchange, authentication, {}, false));
  CHECK(out.error == "");
  CHECK(out.body == "hello");
  CHECK_FALSE(out.client_checksum);
  authentication.payload = PayloadMode::streaming_signed_trailer;
  test::FakeExchange other(head, {});
  CHECK(test::run(read(other, authentication, {}, false)).error == "InvalidRequest");
}

TEST_CASE("the decoded length is required of chunks and must be right") {
  for (const char* mode : {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}) {
    Upload upload;
    upload.mode = mode;
    for (const auto& [length, expected] : std::vector<std::pair<std::string, std::string>>{
             {"", "MissingContentLength"}, {"abc", "MissingContentLength"}, {"-1", "MissingContentLength"},
             {"20", "IncompleteBody"}, {"22", "IncompleteBody"}, {"0", "IncompleteBody"}, {"21", ""}}) {
      INFO(mode << " " << length);
      upload.decoded_length = length;
      CHECK(upload.run().error == expected);
    }
  }
}

TEST_CASE("a body without length and without chunks is 411, unless it may be absent") {
  http::RequestHead head = request("PUT", "/b/k", {{"Host", "h"}});
  test::FakeExchange exchange(head);
  CHECK(test::run(read(exchange, {}, {}, false)).error == "MissingContentLength");
  PayloadOptions options;
  options.may_be_absent = true;
  const Outcome out = test::run(read(exchange, {}, options, false));
  CHECK(out.error == "");
  CHECK(out.length == 0);
}

TEST_CASE("a body in HTTP chunks is held to the length that it announces") {
  Upload upload;
  upload.framing = Framing::chunked;
  upload.headers = {{"x-amz-decoded-content-length", "21"}};
  CHECK(upload.run().error == "");
  upload.headers = {{"x-amz-decoded-content-length", "20"}};
  CHECK(upload.run().error == "IncompleteBody");
  upload.headers = {{"x-amz-decoded-content-length", "22"}};
  CHECK(upload.run().error == "IncompleteBody");
}

TEST_CASE("a connection that ends, stalls or breaks in the body has its own error") {
  Upload upload;
  upload.read_error = Error(Errc::end_of_stream, "gone");
  CHECK(upload.run().error == "IncompleteBody");
  upload.read_error = Error(Errc::invalid, "framing");
  CHECK(upload.run().error == "IncompleteBody");
  upload.read_error = Error(Errc::deadline, "slow");
  CHECK(upload.run().error == "RequestTimeout");
  upload.read_error = Error(Errc::cancelled, "stopping");
  CHECK(upload.run().error == "ServiceUnavailable");
}

TEST_CASE("a payload hash that differs names both") {
  Upload upload;
  upload.mode = "hash";
  upload.damage = [](std::string& wire) { wire[0] = 'w'; };
  const Outcome out = upload.run();
  CHECK(out.error == "XAmzContentSHA256Mismatch");
  CHECK(member(out, "ClientComputedContentSHA256") == sha256_hex(upload.body));
  CHECK(member(out, "S3ComputedContentSHA256") == sha256_hex("welcome to Amazon S3."));
}

TEST_CASE("Content-MD5 is checked over the decoded body") {
  for (const char* mode : {"UNSIGNED-PAYLOAD", "hash", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}) {
    Upload upload;
    upload.mode = mode;
    upload.headers = {{"Content-MD5", base64_encode(as_bytes(md5(as_bytes(upload.body))))}};
    const Outcome good = upload.run();
    CHECK(good.error == "");
    CHECK(good.client_checksum);
    upload.headers = {{"Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="}};
    const Outcome bad = upload.run();
    CHECK(bad.error == "BadDigest");
    CHECK(bad.message == "The Content-MD5 you specified did not match what we received.");
    CHECK(member(bad, "ExpectedDigest") == "1B2M2Y8AsgTpgAmY7PhCfg==");
    CHECK(member(bad, "CalculatedDigest") == base64_encode(as_bytes(md5(as_bytes(upload.body)))));
  }
  for (const char* value : {"", "xyz", "YWJj", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCfgAA"}) {
    INFO(value);
    Upload upload;
    upload.headers = {{"Content-MD5", value}};
    const Outcome out = upload.run();
    CHECK(out.error == "InvalidDigest");
    CHECK(member(out, "Content-MD5") == value);
  }
}

TEST_CASE("each checksum in a header is checked and kept") {
  for (const auto algorithm : {metadata::CRC32, metadata::CRC32C, metadata::CRC64NVME, metadata::SHA1, metadata::SHA256}) {
    const ChecksumKind& kind = *checksum_kind(algorithm);
    INFO(kind.name);
    ChecksumStream stream(kind);
    Upload upload;
    stream.update(as_bytes(upload.body));
    const std::string right = stream.finish();
    upload.headers = {{std::string(kind.header), base64_encode(as_bytes(right))},
                      {"x-amz-sdk-checksum-algorithm", std::string(kind.name)}};
    upload.options.default_checksum = metadata::CRC64NVME;
    const Outcome good = upload.run();
    CHECK(good.error == "");
    CHECK(good.client_checksum);
    CHECK(good.checksum.algorithm() == algorithm);
    CHECK(good.checksum.value() == right);
    upload.headers = {{std::string(kind.header), base64_encode(as_bytes(std::string(kind.bytes, '\0')))}};
    const Outcome bad = upload.run();
    CHECK(bad.error == "BadDigest");
    CHECK(bad.message == fmt::format("The {} you specified did not match the calculated checksum.", kind.name));
    upload.headers = {{std::string(kind.header), "zzz"}};
    const Outcome malformed = upload.run();
    CHECK(malformed.error == "InvalidRequest");
    CHECK(malformed.message == fmt::format("Value for {} header is invalid.", kind.header));
  }
}

TEST_CASE("contradictions between checksum headers are refused before the body") {
  struct Case {
    const char* name;
    const char* mode;
    std::vector<http::Header> headers;
    const char* error;
    const char* message;
  };
  const std::string crc32 = Upload().right_trailer().substr(std::string_view("x-amz-checksum-crc32:").size());
  const Case cases[] = {
      {"two", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-crc32", crc32}, {"x-amz-checksum-sha1", "L7XhNBn8iSRoZeejJPR27GJOh0A="}},
       "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."},
      {"twice the same", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-crc32", crc32}, {"x-amz-checksum-crc32", crc32}},
       "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."},
      {"header and trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {{"x-amz-checksum-crc32", crc32}}, "InvalidRequest",
       "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."},
      {"unsupported", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-sha512", "AAAA"}}, "NotImplemented", nullptr},
      {"unsupported", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-xxhash3", "AAAA"}}, "NotImplemented", nullptr},
      {"unsupported", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-md5", "AAAA"}}, "NotImplemented", nullptr},
      {"unknown", "UNSIGNED-PAYLOAD", {{"x-amz-checksum-crc31", "AAAA"}}, "InvalidRequest",
       "The algorithm type you specified in x-amz-checksum- header is invalid."},
      {"algorithm alone", "UNSIGNED-PAYLOAD", {{"x-amz-sdk-checksum-algorithm", "CRC32"}}, "InvalidRequest",
       "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."},
      {"algorithm disagrees", "UNSIGNED-PAYLOAD", {{"x-amz-sdk-checksum-algorithm", "SHA1"}, {"x-amz-checksum-crc32", crc32}},
       "InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid."},
      {"algorithm unknown", "UNSIGNED-PAYLOAD", {{"x-amz-sdk-checksum-algorithm", "ADLER"}, {"x-amz-checksum-crc32", crc32}},
       "InvalidRequest", nullptr},
      {"algorithm unsupported", "UNSIGNED-PAYLOAD", {{"x-amz-sdk-checksum-algorithm", "SHA512"}}, "NotImplemented", nullptr},
      {"algorithm agrees", "UNSIGNED-PAYLOAD", {{"x-amz-sdk-checksum-algorithm", "crc32"}, {"x-amz-checksum-crc32", crc32}},
       "", nullptr},
      {"algorithm agrees with the trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {{"x-amz-sdk-checksum-algorithm", "CRC32"}},
       "", nullptr},
      {"trailer without a place", "UNSIGNED-PAYLOAD", {{"x-amz-trailer", "x-amz-checksum-crc32"}}, "InvalidRequest", nullptr},
      {"trailer of something else", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {{"x-amz-trailer", "x-amz-meta-a"}}, "InvalidRequest",
       "The value specified in the x-amz-trailer header is not supported"},
      {"two trailers", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {{"x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1"}},
       "InvalidRequest", nullptr},
      {"trailer unsupported", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {{"x-amz-trailer", "x-amz-checksum-sha512"}},
       "NotImplemented", nullptr},
      {"mode and type are no checksums", "UNSIGNED-PAYLOAD",
       {{"x-amz-checksum-mode", "ENABLED"}, {"x-amz-checksum-type", "FULL_OBJECT"}, {"x-amz-checksum-algorithm", "CRC32"}},
       "", nullptr},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Upload upload;
    upload.mode = c.mode;
    upload.headers = c.headers;
    const Outcome out = upload.run();
    CHECK(out.error == c.error);
    if (c.message) CHECK(out.message == c.message);
  }
}

TEST_CASE("a checksum in the query of a presigned URL is ignored") {
  http::RequestHead head = request("PUT", "/b/k?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32",
                                   {{"Host", "h"}, {"Content-Length", "5"}});
  head = test::presign(head);
  const auto authentication = authenticate(head, kCredentials, {}, test::kNow);
  REQUIRE(authentication.has_value());
  test::FakeExchange exchange(head, {"hello"});
  const Outcome out = test::run(read(exchange, *authentication, {}, false));
  CHECK(out.error == "");
  CHECK_FALSE(out.client_checksum);
}

TEST_CASE("read_all is bounded") {
  const auto read_all = [](std::string body, std::size_t limit, Framing framing) {
    http::RequestHead head = request("POST", "/b?delete", {{"Host", "h"}});
    if (framing == Framing::length) head.content_length = body.size();
    else head.chunked = true;
    test::FakeExchange exchange(head, split_at(body, 7));
    auto payload = Payload::open(exchange, {}, {});
    const auto out = test::run((*payload)->read_all(limit));
    return out ? *out : std::string(out.error().code->name);
  };
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    CHECK(read_all("0123456789", 10, framing) == "0123456789");
    CHECK(read_all("0123456789a", 10, framing) == "MaxMessageLengthExceeded");
    CHECK(read_all("", 10, framing) == "");
  }
}
