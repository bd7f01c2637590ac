#include <catch2/catch_test_macros.hpp>

#include "common/digest.h"
#include "common/encoding.h"
#include "common/rng.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/auth/streams.h"

using namespace gabion;
using namespace gabion::gateway::s3;

namespace {

std::string of(metadata::ChecksumAlgorithm algorithm, std::string_view text) {
  ChecksumStream stream(*checksum_kind(algorithm));
  stream.update(as_bytes(text));
  return base64_encode(as_bytes(stream.finish()));
}

std::string random_text(std::size_t size) {
  SeededRng rng(size);
  std::string text(size, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

TEST_CASE("checksums have the values that S3 shows") {
  CHECK(of(metadata::CRC64NVME, "hello world") == "jSnVw/bqjr4=");
  CHECK(of(metadata::CRC64NVME, "hello") == "M3eFcAZSQlc=");
  CHECK(of(metadata::CRC64NVME, "abcdefg") == "SmzZ/LTp1CA=");
  CHECK(of(metadata::CRC32, "abcdefg") == "MSpqpg==");
  CHECK(of(metadata::CRC32C, "abcdefg") == "5if0QQ==");
  CHECK(of(metadata::SHA1, "abcdefg") == "L7XhNBn8iSRoZeejJPR27GJOh0A=");
  CHECK(of(metadata::SHA256, "") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  CHECK(of(metadata::CRC32, "") == "AAAAAA==");
}

TEST_CASE("a checksum does not depend on how the bytes are split") {
  const std::string text = random_text(5000);
  for (const auto algorithm : {metadata::CRC32, metadata::CRC32C, metadata::CRC64NVME, metadata::SHA1, metadata::SHA256}) {
    ChecksumStream stream(*checksum_kind(algorithm));
    for (std::size_t at = 0, step = 1; at < text.size(); at += step, step = step * 3 % 251 + 1) {
      stream.update(as_bytes(std::string_view(text).substr(at, step)));
    }
    CHECK(base64_encode(as_bytes(stream.finish())) == of(algorithm, text));
  }
}

TEST_CASE("checksums are found by name and header, and unknown ones are told from unsupported ones") {
  CHECK((*checksum_of_name("crc32"))->algorithm == metadata::CRC32);
  CHECK((*checksum_of_name("CRC64NVME"))->algorithm == metadata::CRC64NVME);
  CHECK(checksum_of_header("x-amz-checksum-sha256")->algorithm == metadata::SHA256);
  CHECK(checksum_of_header("x-amz-checksum-mode") == nullptr);
  CHECK(checksum_kind(metadata::CHECKSUM_NONE) == nullptr);
  for (const char* name : {"SHA512", "MD5", "XXHASH64", "XXHASH3", "xxhash128"}) {
    CHECK(checksum_of_name(name).error().code == &kNotImplemented);
  }
  CHECK(checksum_of_name("").error().code == &kInvalidRequest);
  CHECK(checksum_of_name("CRC33").error().code == &kInvalidRequest);
}

TEST_CASE("a checksum value must be base64 of its length") {
  const ChecksumKind& crc32 = *checksum_kind(metadata::CRC32);
  CHECK(parse_checksum(crc32, "MSpqpg==").has_value());
  for (const char* text : {"", "MSpqpg", "MSpqpg=", "MSpqpgAA", "SmzZ/LTp1CA=", "!!!!!!==", " MSpqpg=="}) {
    INFO(text);
    CHECK_FALSE(parse_checksum(crc32, text).has_value());
  }
}

TEST_CASE("hash streams agree with OpenSSL for every length and split") {
  const std::string text = random_text(700);
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string_view part = std::string_view(text).substr(0, size);
    for (const std::size_t cut : {std::size_t{0}, size / 3, size / 2, size}) {
      Md5Stream md5_stream;
      Sha256Stream sha256_stream;
      for (const std::string_view piece : {part.substr(0, cut), part.substr(cut)}) {
        md5_stream.update(as_bytes(piece));
        sha256_stream.update(piece);
      }
      REQUIRE(md5_stream.finish() == md5(as_bytes(part)));
      REQUIRE(as_text(sha256_stream.finish()) == sha256(as_bytes(part)));
      REQUIRE(md5_stream.finish() == md5({}));  // ready for another message
    }
  }
}

TEST_CASE("an HMAC with prepared pads agrees with RFC 2104 for keys of all lengths") {
  const std::string text = random_text(200);
  for (std::size_t size = 0; size < 150; ++size) {
    const std::string_view key = std::string_view(text).substr(0, size);
    REQUIRE(as_text(HmacKey(key).sign(text)) == hmac_sha256(key, text));
  }
}
