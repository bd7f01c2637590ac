// Join tokens survive being copied, and nothing else passes for one.
#include "common/pki/join_token.h"

#include <catch2/catch_test_macros.hpp>

#include "common/digest.h"

namespace gabion::pki {

TEST_CASE("a token is one word that comes back as it was, in either case and with blanks around it") {
  SeededRng rng(1);
  const std::string fingerprint = sha256(as_bytes("a certificate"));
  const JoinToken token = make_join_token(fingerprint, rng);
  CHECK(token.authority == fingerprint.substr(0, 16));
  CHECK(token.secret.size() == 16);
  const std::string text = to_text(token);
  CHECK(text.size() == 59);
  CHECK(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz1234567") == std::string::npos);
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& form : {text, upper, "  " + text + "\t"}) {
    const auto back = parse_join_token(form);
    REQUIRE(back.has_value());
    CHECK(back->secret == token.secret);
    CHECK(back->authority == token.authority);
  }
  CHECK(make_join_token(fingerprint, rng).secret != token.secret);
  CHECK(digest_of_secret(token.secret) == sha256(as_bytes(token.secret)));
}

TEST_CASE("the text of a token does not change between versions") {
  const JoinToken token{std::string(16, '\0'), std::string(16, '\xff')};
  CHECK(to_text(token) == "gj1aaaaaaaaaaaaaaaaaaaaaaaaad77777777777777777777777772hbvb");
}

TEST_CASE("a token mistyped in any one place is noticed") {
  SeededRng rng(2);
  const std::string text = to_text(make_join_token(sha256(as_bytes("x")), rng));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789 -\0", 39)) {
      if (c == text[i]) continue;
      std::string wrong = text;
      wrong[i] = c;
      CHECK(!parse_join_token(wrong).has_value());
    }
    CHECK(!parse_join_token(text.substr(0, i)).has_value());
    CHECK(!parse_join_token(text.substr(0, i) + text.substr(i + 1)).has_value());
    if (i > 0 && text[i] != text[i - 1]) {
      std::string swapped = text;
      std::swap(swapped[i], swapped[i - 1]);
      CHECK(!parse_join_token(swapped).has_value());
    }
  }
  CHECK(!parse_join_token(text + "a").has_value());
  CHECK(!parse_join_token(text + text).has_value());
  CHECK(!parse_join_token(std::string(1 << 20, 'a')).has_value());
}

}  // namespace gabion::pki
