package responses

import (
	"aihigress/internal/llm"
)

// streamError is an error in an answer that began with 200, from the vendor's words.
func streamError(kind, code, param, message string) *llm.Error {
	if kind == "error" { // the type of the event, not of the error
		kind = ""
	}
	class := classOf(code)
	if class == llm.Unclassified {
		class = classOf(kind)
	}
	if class == llm.Unclassified {
		class = llm.ServerError
	}
	return &llm.Error{Class: class, Type: kind, Code: code, Param: param, Message: message, Origin: llm.Responses}
}

// classOf is the class that a code or a type stands for: those of OpenAI's ResponseErrorCode and error envelope, and
// what Codex (codex-rs, codex-api) tells apart in response.failed.
func classOf(word string) llm.Class {
	switch word {
	case "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached":
		return llm.RateLimited
	case "insufficient_quota", "usage_not_included", "billing_hard_limit_reached":
		return llm.OutOfQuota
	case "context_length_exceeded", "request_too_large":
		return llm.TooLarge
	case "server_is_overloaded", "slow_down", "overloaded", "overloaded_error":
		return llm.Overloaded
	case "invalid_api_key", "authentication_error":
		return llm.Unauthorized
	case "permission_error":
		return llm.Forbidden
	case "model_not_found", "not_found_error":
		return llm.NotFound
	case "timeout", "vector_store_timeout":
		return llm.TimedOut
	case "invalid_request_error", "invalid_prompt", "bio_policy", "cyber_policy", "data_residency_mismatch", "invalid_image",
		"invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
		"image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large",
		"unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found",
		"content_policy_violation":
		return llm.InvalidRequest
	}
	return llm.Unclassified
}
