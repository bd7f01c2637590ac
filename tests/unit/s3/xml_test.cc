#include "gateway/s3/xml.h"

#include <catch2/catch_test_macros.hpp>

#include "gateway/s3/request_bodies.h"

using namespace gabion;
using namespace gabion::gateway::s3;

TEST_CASE("text is escaped exactly, and keys come back through a parser") {
  XmlWriter xml("Root");
  xml.text("A",
           "a<b>&\"c'\r\n\t\x01\x1f\x7f"
           "\xE2\x82\xAC");
  xml.number("N", 18446744073709551615ull);
  xml.boolean("B", true);
  xml.date("D", 1255369850000000);
  const std::string document = std::move(xml).finish();
  CHECK(document ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<A>a&lt;b&gt;&amp;&quot;c'&#xD;&#xA;&#x9;&#x1;&#x1F;&#x7F;\xE2\x82\xAC</A><N>18446744073709551615</N><B>true</B>"
        "<D>2009-10-12T17:50:50.000Z</D></Root>");
  const auto parsed = XmlDocument::parse(document, "Root");
  REQUIRE(parsed.has_value());
  CHECK(parsed->root().child("A").text() ==
        "a<b>&\"c'\r\n\t\x01\x1f\x7f"
        "\xE2\x82\xAC");
}

TEST_CASE("names are compared without their namespace") {
  for (const char* body :
       {"<Delete><Object><Key>k</Key></Object></Delete>",
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>k</Key></Object></Delete>",
        "<s3:Delete xmlns:s3=\"urn:x\"><s3:Object><s3:Key>k</s3:Key></s3:Object></s3:Delete>",
        "<?xml version=\"1.0\"?>\n<!-- c --><Delete>\n <Object>\n  <Key>k</Key>\n </Object>\n</Delete>\n"}) {
    INFO(body);
    const auto parsed = parse_delete(body);
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->keys.size() == 1);
    CHECK(parsed->keys[0].key == "k");
  }
}

TEST_CASE("documents that are not S3's or not safe are malformed") {
  std::string deep = "<Delete>";
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  for (const std::string& body :
       {std::string(), std::string("text"), std::string("<Delete>"), std::string("<Delete></Remove>"),
        std::string("<Remove><Object><Key>k</Key></Object></Remove>"), std::string("<Delete></Delete>"),
        std::string("<!DOCTYPE x [<!ENTITY e \"v\">]><Delete><Object><Key>&e;</Key></Object></Delete>"),
        std::string("<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><Delete><Object><Key>k</Key></Object></Delete>"),
        std::string("<Delete><Object><Key>k</Key></Object></Delete><Delete/>"),
        std::string("<Delete><Object><Key>\xff</Key></Object></Delete>"),
        std::string("<Delete><Object><Key></Key></Object></Delete>"), std::string("<Delete><Object></Object></Delete>"),
        std::string("<Delete><Object><Key>a&#0;b</Key></Object></Delete>"),
        std::string("<Delete><Object><Key>a&#x00;b</Key></Object></Delete>"),
        std::string("<Delete><Object><Key>a&#xD800;b</Key></Object></Delete>"), std::string("<Delete><Unknown/></Delete>"),
        deep}) {
    INFO(body.substr(0, 80));
    const auto parsed = parse_delete(body);
    REQUIRE(parsed.has_error());
    CHECK(parsed.error().code == &kMalformedXML);
  }
}

TEST_CASE("an entity that nobody defined stays text and is never resolved") {
  const auto parsed = parse_delete("<Delete><Object><Key>&xxe;</Key></Object></Delete>");
  REQUIRE(parsed.has_value());
  CHECK(parsed->keys[0].key == "&xxe;");
}

TEST_CASE("keys to delete are taken exactly, white space and references included") {
  const auto parsed = parse_delete(
      "<Delete><Quiet>true</Quiet><Object><Key> </Key></Object><Object><Key>a&#xD;&#xA;b &amp; <![CDATA[<c>]]></Key>"
      "<VersionId>null</VersionId><ETag>\"abc\"</ETag><Size>5</Size>"
      "<LastModifiedTime>Mon, 12 Oct 2009 17:50:30 GMT</LastModifiedTime></Object></Delete>");
  REQUIRE(parsed.has_value());
  CHECK(parsed->quiet);
  REQUIRE(parsed->keys.size() == 2);
  CHECK(parsed->keys[0].key == " ");
  CHECK(parsed->keys[1].key == "a\r\nb & <c>");
  CHECK(parsed->keys[1].version_id == "null");
  CHECK(parsed->keys[1].etag == "\"abc\"");
  CHECK(parsed->keys[1].size == 5u);
  CHECK(parsed->keys[1].modified == 1255369830000000u);
}

TEST_CASE("at most a thousand keys are deleted at once") {
  const auto body = [](int keys) {
    std::string out = "<Delete>";
    for (int i = 0; i < keys; ++i) out += "<Object><Key>" + std::to_string(i) + "</Key></Object>";
    return out + "</Delete>";
  };
  CHECK(parse_delete(body(1000))->keys.size() == 1000);
  CHECK(parse_delete(body(1001)).error().code == &kMalformedXML);
}

TEST_CASE("parts to complete are read with quoted and unquoted tags") {
  const auto parts = parse_complete(
      "<CompleteMultipartUpload><Part><PartNumber> 1 </PartNumber><ETag>&quot;0cc175b9&quot;</ETag></Part>"
      "<Part><ETag>92eb5ffe</ETag><PartNumber>3</PartNumber><ChecksumCRC32>MSpqpg==</ChecksumCRC32></Part>"
      "</CompleteMultipartUpload>");
  REQUIRE(parts.has_value());
  REQUIRE(parts->size() == 2);
  CHECK((*parts)[0].number == 1);
  CHECK((*parts)[0].etag == "0cc175b9");
  CHECK((*parts)[1].etag == "92eb5ffe");
  CHECK((*parts)[1].checksum.algorithm() == metadata::CRC32);
}

TEST_CASE("a completion without parts is an invalid request, an empty body is malformed") {
  CHECK(parse_complete("<CompleteMultipartUpload/>").error().code == &kInvalidRequest);
  CHECK(parse_complete("").error().code == &kMalformedXML);
  for (const char* part :
       {"<Part><PartNumber>0</PartNumber><ETag>x</ETag></Part>", "<Part><PartNumber>10001</PartNumber><ETag>x</ETag></Part>",
        "<Part><PartNumber>-1</PartNumber><ETag>x</ETag></Part>", "<Part><PartNumber>1</PartNumber></Part>",
        "<Part><ETag>x</ETag></Part>", "<Other/>"}) {
    INFO(part);
    CHECK(parse_complete("<CompleteMultipartUpload>" + std::string(part) + "</CompleteMultipartUpload>").error().code ==
          &kMalformedXML);
  }
}

TEST_CASE("only the owner's FULL_CONTROL is the private ACL") {
  const auto policy = [](const std::string& grants) {
    return "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>" + grants +
           "</AccessControlList></AccessControlPolicy>";
  };
  const auto grant = [](const std::string& grantee, const std::string& permission) {
    return "<Grant><Grantee xmlns:xsi=\"x\" xsi:type=\"CanonicalUser\">" + grantee + "</Grantee><Permission>" + permission +
           "</Permission></Grant>";
  };
  CHECK(is_private_acl(policy(grant("<ID>me</ID>", "FULL_CONTROL")), "me").value());
  CHECK_FALSE(is_private_acl(policy(grant("<ID>you</ID>", "FULL_CONTROL")), "me").value());
  CHECK_FALSE(is_private_acl(policy(grant("<ID>me</ID>", "READ")), "me").value());
  CHECK_FALSE(
      is_private_acl(policy(grant("<ID>me</ID>", "FULL_CONTROL") + grant("<URI>AllUsers</URI>", "READ")), "me").value());
  CHECK_FALSE(is_private_acl(policy(""), "me").value());
  CHECK(is_private_acl("<AccessControlPolicy/>", "me").has_error());
}
