#include <catch2/catch_test_macros.hpp>

#include "gateway/s3/routes.h"
#include "tests/support/s3_world.h"

using namespace gabion;
using gateway::s3::Level;
using gateway::s3::Support;
using test::Answer;
using test::S3World;

TEST_CASE("every operation of the table that has no function is 501 and changes nothing") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "old");
  for (const auto& route : gateway::s3::routes()) {
    CHECK((route.run == nullptr) == (route.support == Support::none));
    if (route.run) continue;
    INFO(route.name);
    std::string target = route.level == Level::object ? "/bucket/key" : route.level == Level::bucket ? "/bucket" : "/";
    if (!route.query.empty()) target.append("?").append(route.query);
    S3World::Headers headers;
    if (!route.header.empty()) headers.push_back({std::string(route.header), "x"});
    const Answer answer = world.send(std::string(route.method), target, headers, "new");
    CHECK(answer.status == 501);
    CHECK(answer.code() == "NotImplemented");
    CHECK_FALSE(answer.element("Header").empty());
    CHECK(answer.element("additionalMessage").find(route.name) != std::string::npos);
  }
  CHECK(world.get("/bucket/key").body == "old");
}

TEST_CASE("operations have distinct names, and each request selects one") {
  std::vector<std::string> names, requests;
  for (const auto& route : gateway::s3::routes()) {
    names.emplace_back(route.name);
    requests.push_back(std::to_string(static_cast<int>(route.level)) + std::string(route.method) + "?" +
                       std::string(route.query) + "+" + std::string(route.header));
  }
  for (auto* list : {&names, &requests}) {
    std::sort(list->begin(), list->end());
    CHECK(std::adjacent_find(list->begin(), list->end()) == list->end());
  }
}

TEST_CASE("a sub-resource on the wrong method or level is not allowed, and never the plain operation") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "old");
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{{"PUT", "/bucket/key?policy"},
                                                                                       {"PUT", "/bucket/key?versions"},
                                                                                       {"DELETE", "/bucket/key?acl"},
                                                                                       {"DELETE", "/bucket?acl"},
                                                                                       {"PUT", "/bucket/key?attributes"},
                                                                                       {"POST", "/bucket?acl"},
                                                                                       {"HEAD", "/bucket/key?uploads"},
                                                                                       {"PUT", "/bucket?delete"}}) {
    INFO(method << " " << target);
    CHECK(world.send(method, target, {}, method == "PUT" ? std::optional<std::string>("new") : std::nullopt).status == 405);
  }
  CHECK(world.put("/bucket/key?partNumber=1", "new").code() == "InvalidArgument");
  CHECK(world.get("/bucket?acl&policy").code() == "InvalidArgument");
  CHECK(world.get("/bucket/key").body == "old");
}

TEST_CASE("unknown parameters mean nothing") {
  S3World world;
  world.put("/bucket");
  CHECK(world.put("/bucket/key?x-id=PutObject", "text").status == 200);
  CHECK(world.get("/bucket/key?x-id=GetObject&foo=bar&flag").body == "text");
}

TEST_CASE("headers that cannot be honoured are refused by name") {
  S3World world;
  world.put("/bucket");
  for (const auto& header : S3World::Headers{{"x-amz-acl", "public-read"},
                                             {"x-amz-grant-read", "uri=all"},
                                             {"x-amz-server-side-encryption", "aws:kms"},
                                             {"x-amz-server-side-encryption-aws-kms-key-id", "k"},
                                             {"x-amz-server-side-encryption-customer-algorithm", "AES256"},
                                             {"x-amz-object-lock-mode", "GOVERNANCE"},
                                             {"x-amz-object-lock-legal-hold", "ON"},
                                             {"x-amz-tagging", "a=b"},
                                             {"x-amz-website-redirect-location", "/x"},
                                             {"x-amz-write-offset-bytes", "0"},
                                             {"x-amz-storage-class", "GLACIER"}}) {
    INFO(header.name);
    const Answer answer = world.put("/bucket/key", "text", {header});
    CHECK(answer.status == 501);
    CHECK(answer.code() == "NotImplemented");
    CHECK(answer.element("Header") == header.name);
    CHECK_FALSE(answer.element("additionalMessage").empty());
  }
  CHECK(world.get("/bucket/key").status == 404);
  CHECK(world.put("/locked", "", {{"x-amz-bucket-object-lock-enabled", "true"}}).status == 501);
  CHECK(world.put("/bucket/key", "text", {{"x-amz-server-side-encryption", "ROT13"}}).code() == "InvalidArgument");
}

TEST_CASE("headers that hold as things are pass") {
  S3World world;
  CHECK(world.put("/bucket", "", {{"x-amz-acl", "private"}, {"x-amz-bucket-object-lock-enabled", "false"}}).status == 200);
  const Answer put = world.put("/bucket/key", "text",
                               {{"x-amz-acl", "private"},
                                {"x-amz-server-side-encryption", "AES256"},
                                {"x-amz-tagging", ""},
                                {"x-amz-request-payer", "requester"},
                                {"x-amz-storage-class", "STANDARD"}});
  CHECK(put.status == 200);
  CHECK(put.header("x-amz-server-side-encryption") == "AES256");
}

TEST_CASE("what a presigned URL carries in place of headers counts like headers") {
  S3World world;
  world.put("/bucket");
  const auto put = [&](const std::string& parameter) {
    test::FakeExchange exchange(test::presign(world.head("PUT", "/bucket/key?" + parameter, {{"content-length", "4"}})),
                                {"text"});
    return world.run(exchange);
  };
  CHECK(put("x-amz-tagging=a%3Db").status == 501);
  CHECK(put("x-amz-acl=public-read").status == 501);
  CHECK(put("x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32").status == 200);
  CHECK(put("x-amz-meta-colour=blue&x-amz-storage-class=STANDARD").status == 200);
  CHECK(world.get("/bucket/key").header("x-amz-meta-colour") == "blue");
  CHECK(put("X-Amz-Meta-Colour=red").status == 200);
  CHECK(world.get("/bucket/key").header("x-amz-meta-colour") == "red");
}

TEST_CASE("configuration that is absent says so, and configuration that holds is told") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x");
  for (const auto& [query, code] :
       std::vector<std::pair<std::string, std::string>>{{"policy", "NoSuchBucketPolicy"},
                                                        {"policyStatus", "NoSuchBucketPolicy"},
                                                        {"cors", "NoSuchCORSConfiguration"},
                                                        {"lifecycle", "NoSuchLifecycleConfiguration"},
                                                        {"tagging", "NoSuchTagSet"},
                                                        {"website", "NoSuchWebsiteConfiguration"},
                                                        {"replication", "ReplicationConfigurationNotFoundError"},
                                                        {"object-lock", "ObjectLockConfigurationNotFoundError"},
                                                        {"publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"}}) {
    INFO(query);
    const Answer answer = world.get("/bucket?" + query);
    CHECK(answer.status == 404);
    CHECK(answer.code() == code);
    CHECK(answer.element("BucketName") == "bucket");
    CHECK(world.get("/missing?" + query).code() == "NoSuchBucket");
  }
  CHECK(world.get("/bucket?versioning")
            .body.find("<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                       "</VersioningConfiguration>") != std::string::npos);
  CHECK(world.get("/bucket?encryption").element("SSEAlgorithm") == "AES256");
  CHECK(world.get("/bucket?requestPayment").element("Payer") == "BucketOwner");
  CHECK(world.get("/bucket?ownershipControls").element("ObjectOwnership") == "BucketOwnerEnforced");
  for (const char* query : {"notification", "logging", "accelerate"}) {
    CHECK(world.get(std::string("/bucket?") + query).status == 200);
  }
  CHECK(world.get("/bucket/key?tagging").elements("TagSet") == std::vector<std::string>{""});
  CHECK(world.get("/bucket/key?retention").code() == "NoSuchObjectLockConfiguration");
  CHECK(world.get("/bucket/missing?tagging").code() == "NoSuchKey");
}

TEST_CASE("the ACL is the owner's, and writing back what was read changes nothing") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x");
  for (const char* target : {"/bucket?acl", "/bucket/key?acl"}) {
    INFO(target);
    const Answer acl = world.get(target);
    CHECK(acl.status == 200);
    CHECK(acl.element("Permission") == "FULL_CONTROL");
    CHECK(acl.body.find("xsi:type=\"CanonicalUser\"") != std::string::npos);
    CHECK(world.put(target, acl.body).status == 200);
    CHECK(world.send("PUT", target, {{"x-amz-acl", "private"}}).status == 200);
    CHECK(world.put(target, "", {{"x-amz-acl", "public-read"}}).status == 501);
    CHECK(world.put(target, acl.body, {{"x-amz-acl", "private"}}).code() == "UnexpectedContent");
    CHECK(world.put(target, "").code() == "MissingSecurityHeader");
    std::string open = acl.body;
    open.replace(open.find("FULL_CONTROL"), 12, "READ");
    CHECK(world.put(target, open).status == 501);
    CHECK(world.put(target, "<x/>").code() == "MalformedXML");
  }
  CHECK(world.get("/bucket/missing?acl").code() == "NoSuchKey");
}
