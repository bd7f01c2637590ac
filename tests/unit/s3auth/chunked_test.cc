#include <catch2/catch_test_macros.hpp>

#include "common/rng.h"
#include "gateway/s3/auth/chunked.h"
#include "gateway/s3/auth/trailer.h"

using namespace gabion;
using namespace gabion::gateway::s3;
using Signatures = AwsChunkedDecoder::Signatures;

namespace {

struct Decoded {
  std::string data;
  std::string tail;
  std::vector<std::string> signatures;
  std::string error;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

// Feeds `text` in pieces whose sizes `next_size` gives.
template <class NextSize>
Decoded decode(std::string_view text, Signatures signatures, std::uint64_t length, NextSize next_size) {
  AwsChunkedDecoder decoder(signatures, length);
  Decoded out;
  while (!text.empty()) {
    const std::string piece(text.substr(0, next_size()));
    text.remove_prefix(piece.size());
    ByteView in = as_bytes(piece);
    for (bool more = true; more;) {
      const auto step = decoder.next(in);
      if (!step) {
        out.error = step.error().code->name;
        return out;
      }
      if (step->event == AwsChunkedDecoder::Event::data) out.data += as_text(step->data);
      if (step->event == AwsChunkedDecoder::Event::chunk_end) out.signatures.push_back(decoder.signature());
      more = step->event != AwsChunkedDecoder::Event::need_input;
    }
    REQUIRE(in.empty());
  }
  const auto end = decoder.finish();
  if (!end) out.error = end.error().code->name;
  out.tail = decoder.tail();
  return out;
}

Decoded decode(std::string_view text, Signatures signatures, std::uint64_t length) {
  return decode(text, signatures, length, [] { return std::string::npos; });
}

}  // namespace

TEST_CASE("unsigned chunks are decoded") {
  const Decoded out = decode("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", Signatures::absent, 5);
  CHECK(out.error == "");
  CHECK(out.data == "hello");
  CHECK(out.tail == "x-amz-checksum-crc32:AAAAAA==\r\n\r\n");
  CHECK(out.signatures.size() == 2);
}

TEST_CASE("signed chunks give their signatures") {
  const Decoded out = decode("2;chunk-signature=aa\r\nhi\r\n0;chunk-signature=bb\r\n\r\n", Signatures::present, 2);
  CHECK(out.error == "");
  CHECK(out.data == "hi");
  CHECK(out.signatures == std::vector<std::string>{"aa", "bb"});
  CHECK(out.tail == "\r\n");
}

TEST_CASE("an empty body is one empty chunk") {
  CHECK(decode("0\r\n\r\n", Signatures::absent, 0).error == "");
  CHECK(decode("0\r\n", Signatures::absent, 0).error == "");
  CHECK(decode("", Signatures::absent, 0).error == "IncompleteBody");
}

TEST_CASE("sizes are hexadecimal in either case, with leading zeros") {
  const std::string data(0x2bc, 'x');
  CHECK(decode("2bC\r\n" + data + "\r\n0\r\n\r\n", Signatures::absent, data.size()).data == data);
  CHECK(decode("000002BC\r\n" + data + "\r\n000\r\n\r\n", Signatures::absent, data.size()).data == data);
}

TEST_CASE("the result does not depend on how the bytes are split") {
  std::string text;
  std::string data;
  for (const std::size_t size : {8192, 9000, 8193, 100}) {
    const std::string chunk(size, static_cast<char>('a' + size % 26));
    text += fmt::format("{:x};chunk-signature={:064x}\r\n{}\r\n", size, size, chunk);
    data += chunk;
  }
  text += fmt::format("0;chunk-signature={:064x}\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 0);
  const Decoded whole = decode(text, Signatures::present, data.size());
  CHECK(whole.error == "");
  CHECK(whole.data == data);
  CHECK(whole.signatures.size() == 5);
  CHECK(decode(text, Signatures::present, data.size(), [] { return 1; }) == whole);
  SeededRng rng(7);
  for (int round = 0; round < 50; ++round) {
    CHECK(decode(text, Signatures::present, data.size(), [&] { return 1 + rng.below(round % 2 ? 90 : 9000); }) == whole);
  }
}

TEST_CASE("broken framing is IncompleteBody") {
  const char* const bodies[] = {
      "5\r\nhello",                                          // cut in the data
      "5\r\nhello\r\n",                                      // no last chunk
      "5\r\nhel",                                            // cut
      "5\r\nhelloX\r\n0\r\n\r\n",                            // more data than the chunk says
      "5\r\nhello\n0\r\n\r\n",                               // line feed alone
      "5\nhello\r\n0\r\n\r\n",                               // the same behind the size
      "6\r\nhello!\r\n0\r\n\r\n",                            // more than announced
      "4\r\nhell\r\n0\r\n\r\n",                              // less than announced
      "g\r\nhello\r\n0\r\n\r\n",                             // no number
      "\r\nhello\r\n0\r\n\r\n",                              // no size
      " 5\r\nhello\r\n0\r\n\r\n",                            // white space
      "-5\r\nhello\r\n0\r\n\r\n",                            // sign
      "0x5\r\nhello\r\n0\r\n\r\n",                           // prefix
      "10000000000000005\r\nhello\r\n0\r\n\r\n",             // past 64 bits
      "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",              // huge
      "5;chunk-signature=aa\r\nhello\r\n0\r\n\r\n",          // a signature where none was announced
  };
  for (const char* body : bodies) {
    INFO(body);
    CHECK(decode(body, Signatures::absent, 5).error == "IncompleteBody");
    CHECK(decode(body, Signatures::absent, 5, [] { return 1; }).error == "IncompleteBody");
  }
  CHECK(decode(std::string(1000, '0'), Signatures::absent, 5).error == "IncompleteBody");
  CHECK(decode("5\r\nhello\r\n0\r\n\r\n", Signatures::present, 5).error == "IncompleteBody");
  CHECK(decode("5;signature=aa\r\nhello\r\n", Signatures::present, 5).error == "IncompleteBody");
}

TEST_CASE("only the last chunk may be smaller than 8192 bytes") {
  const auto body = [](std::size_t first, std::size_t second) {
    return fmt::format("{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", first, std::string(first, 'a'), second,
                       std::string(second, 'b'));
  };
  CHECK(decode(body(8192, 1), Signatures::absent, 8193).error == "");
  CHECK(decode(body(8191, 1), Signatures::absent, 8192).error == "InvalidChunkSizeError");
  CHECK(decode(body(8191, 9000), Signatures::absent, 17191).error == "InvalidChunkSizeError");
}

TEST_CASE("an endless trailer is cut off") {
  const std::string text = "0\r\n" + std::string(20000, 'x');
  CHECK(decode(text, Signatures::absent, 0).error == "MalformedTrailerError");
  CHECK(decode(text, Signatures::absent, 0, [] { return 100; }).error == "MalformedTrailerError");
}

TEST_CASE("trailers are read as every SDK writes them") {
  for (const char* text : {"x-amz-checksum-crc32:AAAAAA==\r\n\r\n", "X-Amz-Checksum-Crc32: AAAAAA== \r\n\r\n",
                           "x-amz-checksum-crc32:AAAAAA==\n\r\n\r\n", "\r\nx-amz-checksum-crc32:AAAAAA==\r\n"}) {
    INFO(text);
    const auto trailer = parse_trailer(text);
    REQUIRE(trailer.has_value());
    CHECK(trailer->signature.empty());
    CHECK(trailer->canonical() == "x-amz-checksum-crc32:AAAAAA==\n");
  }
  const auto signed_one = parse_trailer("a:b\n\r\nx-amz-trailer-signature:cc\r\n\r\n");
  REQUIRE(signed_one.has_value());
  CHECK(signed_one->signature == "cc");
  CHECK(signed_one->canonical() == "a:b\n");
  CHECK(parse_trailer("").value().fields.empty());
  CHECK(parse_trailer("\r\n\r\n").value().fields.empty());
}

TEST_CASE("a trailer that is not lines of names and values is malformed") {
  for (const char* text : {"x", "a:b", "a:b\r\nc", "a\r\n", ":b\r\n", "a:\r\n", " :b\r\n",
                           "x-amz-trailer-signature:cc\r\na:b\r\n"}) {
    INFO(text);
    CHECK(parse_trailer(text).error().code == &kMalformedTrailerError);
  }
}
