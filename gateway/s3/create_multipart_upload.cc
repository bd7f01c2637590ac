// CreateMultipartUpload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/uploads.h"
#include "gateway/s3/write_check.h"

namespace gabion::gateway::s3 {
namespace {

// The checksum the object will have. Without an algorithm it follows from whatever the parts bring.
S3Result<> read_checksum_plan(const Request& request, metadata::Upload& upload) {
  const std::string* name = request.find_header("x-amz-checksum-algorithm");
  const std::string* type = request.find_header("x-amz-checksum-type");
  if (!name) {
    if (!type) return {};
    return S3Error(kInvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
  }
  TRY(const ChecksumKind* kind, checksum_of_name(*name));
  bool composite = kind->algorithm != metadata::CRC64NVME;
  if (type) {
    if (*type != "COMPOSITE" && *type != "FULL_OBJECT") {
      return S3Error(kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
    }
    composite = *type == "COMPOSITE";
  }
  if (composite ? !can_be_composite(*kind) : !can_be_full_object(*kind)) {
    return S3Error(kInvalidRequest, std::string("The ")
                                        .append(checksum_type(composite))
                                        .append(" checksum type cannot be used with the ")
                                        .append(kind->name)
                                        .append(" checksum algorithm."));
  }
  upload.set_checksum_algorithm(kind->algorithm);
  upload.set_checksum_composite(composite);
  return {};
}

}  // namespace

task<S3Result<>> create_multipart_upload(const Service& service, Request& request) {
  CO_CHECK(refuse_version_id(request));
  metadata::Command command;
  auto& create = *command.mutable_create_upload();
  auto& upload = *create.mutable_upload();
  CO_CHECK(read_checksum_plan(request, upload));
  CO_CHECK(read_object_headers(request, *upload.mutable_attributes()));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  const std::string id = new_upload_id(service.clock, service.rng);
  create.set_bucket(bucket.id());
  upload.set_id(id);
  upload.set_key(request.target.key);
  upload.set_initiated_us(service.clock.wall());
  upload.mutable_attributes()->set_owner(request.authentication.tenant);
  const auto algorithm = upload.checksum_algorithm();
  const bool composite = upload.checksum_composite();
  CO_CHECK(co_await commit(service, request, std::move(command)));

  if (const ChecksumKind* kind = checksum_kind(algorithm)) {
    request.exchange.set_header("x-amz-checksum-algorithm", kind->name);
    request.exchange.set_header("x-amz-checksum-type", checksum_type(composite));
  }
  set_encryption_header(request);
  XmlWriter xml("InitiateMultipartUploadResult");
  xml.text("Bucket", request.target.bucket);
  xml.text("Key", request.target.key);
  xml.text("UploadId", id);
  co_return co_await respond_xml(request, std::move(xml).finish());
}

}  // namespace gabion::gateway::s3
