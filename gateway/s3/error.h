// S3 errors as values: a code of S3's own list with its HTTP status, a message for people, and the extra XML members that
// clients know for that code. Plain values.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace gabion::gateway::s3 {

// The name and HTTP status of a code: kNoSuchKey = {"NoSuchKey", 404}. Constants of all codes are below.
struct ErrorCode {
  std::string_view name;
  int status = 500;
  std::string_view message;  // the default text
};

struct S3Error {
  S3Error() = default;
  S3Error(const ErrorCode& c) : code(&c), message(c.message) {}  // NOLINT: a code is an error
  S3Error(const ErrorCode& c, std::string text) : code(&c), message(std::move(text)) {}
  S3Error&& with(std::string_view member, std::string value) && {
    details.emplace_back(member, std::move(value));
    return std::move(*this);
  }
  const ErrorCode* code = nullptr;
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;  // XML members beside Code and Message
};

std::ostream& operator<<(std::ostream& out, const S3Error& error);
[[noreturn]] void throw_exception_from_error(const S3Error& error, const boost::source_location& where);

template <class T = void>
using S3Result = boost::system::result<T, S3Error>;

// What an Error of the layers below means to a client: not_found -> InternalError (callers map what they expect
// themselves), exhausted -> SlowDown, unavailable -> ServiceUnavailable, deadline -> RequestTimeout, ...
S3Error to_s3(const Error& error);

inline constexpr ErrorCode kAccessDenied{"AccessDenied", 403, "Access Denied"};
inline constexpr ErrorCode kAuthorizationHeaderMalformed{"AuthorizationHeaderMalformed", 400,
    "The authorization header is malformed."};
inline constexpr ErrorCode kAuthorizationQueryParametersError{"AuthorizationQueryParametersError", 400,
    "The authorization query parameters are malformed."};
inline constexpr ErrorCode kBadDigest{"BadDigest", 400, "The Content-MD5 you specified did not match what we received."};
inline constexpr ErrorCode kBucketAlreadyExists{"BucketAlreadyExists", 409, "The requested bucket name is not available."};
inline constexpr ErrorCode kBucketAlreadyOwnedByYou{"BucketAlreadyOwnedByYou", 409,
    "Your previous request to create the named bucket succeeded and you already own it."};
inline constexpr ErrorCode kBucketNotEmpty{"BucketNotEmpty", 409, "The bucket you tried to delete is not empty"};
inline constexpr ErrorCode kConditionalRequestConflict{"ConditionalRequestConflict", 409,
    "The conditional request cannot succeed due to a conflicting operation against this resource."};
inline constexpr ErrorCode kEntityTooLarge{"EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"};
inline constexpr ErrorCode kEntityTooSmall{"EntityTooSmall", 400,
    "Your proposed upload is smaller than the minimum allowed size"};
inline constexpr ErrorCode kIllegalLocationConstraintException{"IllegalLocationConstraintException", 400,
    "The location constraint is incompatible for the region specific endpoint this request was sent to."};
inline constexpr ErrorCode kIncompleteBody{"IncompleteBody", 400,
    "You did not provide the number of bytes specified by the Content-Length HTTP header."};
inline constexpr ErrorCode kInternalError{"InternalError", 500, "We encountered an internal error. Please try again."};
inline constexpr ErrorCode kInvalidAccessKeyId{"InvalidAccessKeyId", 403,
    "The AWS Access Key Id you provided does not exist in our records."};
inline constexpr ErrorCode kInvalidArgument{"InvalidArgument", 400, "Invalid Argument"};
inline constexpr ErrorCode kInvalidBucketName{"InvalidBucketName", 400, "The specified bucket is not valid."};
inline constexpr ErrorCode kInvalidChunkSizeError{"InvalidChunkSizeError", 403,
    "Only the last chunk is allowed to have a size less than 8192 bytes"};
inline constexpr ErrorCode kInvalidDigest{"InvalidDigest", 400, "The Content-MD5 you specified is not valid."};
inline constexpr ErrorCode kInvalidLocationConstraint{"InvalidLocationConstraint", 400,
    "The specified location-constraint is not valid"};
inline constexpr ErrorCode kInvalidPart{"InvalidPart", 400,
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified"
    " entity tag may not match the part's entity tag."};
inline constexpr ErrorCode kInvalidPartNumber{"InvalidPartNumber", 416, "The requested partnumber is not satisfiable"};
inline constexpr ErrorCode kInvalidPartOrder{"InvalidPartOrder", 400,
    "The list of parts was not in ascending order. Parts must be ordered by part number."};
inline constexpr ErrorCode kInvalidRange{"InvalidRange", 416, "The requested range is not satisfiable"};
inline constexpr ErrorCode kInvalidRequest{"InvalidRequest", 400, "Invalid Request"};
inline constexpr ErrorCode kInvalidStorageClass{"InvalidStorageClass", 400, "The storage class you specified is not valid"};
inline constexpr ErrorCode kInvalidToken{"InvalidToken", 400, "The provided token is malformed or otherwise invalid."};
inline constexpr ErrorCode kInvalidURI{"InvalidURI", 400, "Couldn't parse the specified URI."};
inline constexpr ErrorCode kKeyTooLongError{"KeyTooLongError", 400, "Your key is too long"};
inline constexpr ErrorCode kMalformedTrailerError{"MalformedTrailerError", 400,
    "The request contained trailing data that was not well-formed or did not conform to our published schema."};
inline constexpr ErrorCode kMalformedXML{"MalformedXML", 400,
    "The XML you provided was not well-formed or did not validate against our published schema"};
inline constexpr ErrorCode kMaxMessageLengthExceeded{"MaxMessageLengthExceeded", 400, "Your request was too big."};
inline constexpr ErrorCode kMetadataTooLarge{"MetadataTooLarge", 400,
    "Your metadata headers exceed the maximum allowed metadata size"};
inline constexpr ErrorCode kMethodNotAllowed{"MethodNotAllowed", 405,
    "The specified method is not allowed against this resource."};
inline constexpr ErrorCode kMissingContentLength{"MissingContentLength", 411,
    "You must provide the Content-Length HTTP header."};
inline constexpr ErrorCode kMissingRequestBodyError{"MissingRequestBodyError", 400, "Request Body is empty"};
inline constexpr ErrorCode kNoSuchBucket{"NoSuchBucket", 404, "The specified bucket does not exist"};
inline constexpr ErrorCode kNoSuchKey{"NoSuchKey", 404, "The specified key does not exist."};
inline constexpr ErrorCode kNoSuchUpload{"NoSuchUpload", 404,
    "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted"
    " or completed."};
inline constexpr ErrorCode kNoSuchVersion{"NoSuchVersion", 404, "The specified version does not exist."};
inline constexpr ErrorCode kNotImplemented{"NotImplemented", 501,
    "A header or query you provided implies functionality that is not implemented."};
inline constexpr ErrorCode kPreconditionFailed{"PreconditionFailed", 412,
    "At least one of the pre-conditions you specified did not hold"};
inline constexpr ErrorCode kRequestHeaderSectionTooLarge{"RequestHeaderSectionTooLarge", 400,
    "Your request header section exceeds the maximum allowed size."};
inline constexpr ErrorCode kRequestTimeTooSkewed{"RequestTimeTooSkewed", 403,
    "The difference between the request time and the current time is too large."};
inline constexpr ErrorCode kRequestTimeout{"RequestTimeout", 400,
    "Your socket connection to the server was not read from or written to within the timeout period."};
inline constexpr ErrorCode kServiceUnavailable{"ServiceUnavailable", 503, "Please reduce your request rate."};
inline constexpr ErrorCode kSignatureDoesNotMatch{"SignatureDoesNotMatch", 403,
    "The request signature we calculated does not match the signature you provided. Check your key and signing"
    " method."};
inline constexpr ErrorCode kSlowDown{"SlowDown", 503, "Please reduce your request rate."};
inline constexpr ErrorCode kUnexpectedContent{"UnexpectedContent", 400, "This request does not support content"};
inline constexpr ErrorCode kXAmzContentSHA256Mismatch{"XAmzContentSHA256Mismatch", 400,
    "The provided 'x-amz-content-sha256' header does not match what was computed."};

}  // namespace gabion::gateway::s3
