#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <sstream>

#include "gateway/s3/routes.h"

TEST_CASE("the documentation of compatibility is what the table says") {
  std::ifstream file(GABION_DOCS "/s3-compatibility.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const std::string begin = "<!-- generated: begin -->\n";
  const auto from = page.find(begin);
  const auto to = page.find("<!-- generated: end -->");
  REQUIRE(from != std::string::npos);
  REQUIRE(to != std::string::npos);
  CHECK(page.substr(from + begin.size(), to - from - begin.size()) == gabion::gateway::s3::compatibility_markdown());
}
