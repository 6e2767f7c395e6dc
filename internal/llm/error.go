package llm

import (
	"net/http"
	"strings"
	"time"
)

// Class is what kind of failure an error is, whatever a vendor calls it.
type Class uint8

const (
	Unclassified   Class = iota
	InvalidRequest       // 400 and relatives
	Unauthorized         // 401
	Forbidden            // 403
	NotFound             // 404
	TooLarge             // 413, or a context that is too long
	RateLimited          // 429
	OutOfQuota           // the account is used up: 429 or 402
	Overloaded           // 503, 529
	TimedOut             // 408, 504
	ServerError          // 500 and relatives
)

// An Error is a failure as any dialect can tell it.
type Error struct {
	Status  int    // HTTP; 0 is unknown (an error in the middle of a stream)
	Class   Class  // Unclassified is found from the status
	Type    string // the vendor's word: OpenAI and Anthropic "type", Gemini "status"
	Code    string // the vendor's code; may be empty
	Param   string // the field at fault, in the dialect of whoever made the error
	Message string
	// Origin is the dialect that Type and Code are words of; "" is the gateway itself, whose Type and Code are OpenAI's.
	Origin string
	// RequestID goes into dialects that have it in the body (Anthropic request_id).
	RequestID string
	// RetryAfter is how long to wait, where the body says it (Gemini's RetryInfo); 0 where it does not.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// ClassOf is the class that a status stands for.
func ClassOf(status int) Class {
	switch status {
	case 0:
		return Unclassified
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusPaymentRequired:
		return OutOfQuota
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return TimedOut
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusTooManyRequests:
		return RateLimited
	case http.StatusServiceUnavailable, 529: // the latter is Anthropic's
		return Overloaded
	}
	if status >= 500 {
		return ServerError
	}
	return InvalidRequest
}

// Kind is the class of the error, found from the status where none is set.
func (e *Error) Kind() Class {
	if e.Class != Unclassified {
		return e.Class
	}
	return ClassOf(e.Status)
}

// HTTPStatus is the status to answer with.
func (e *Error) HTTPStatus() int {
	if e.Status >= 400 {
		return e.Status
	}
	switch e.Class {
	case InvalidRequest:
		return http.StatusBadRequest
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimited, OutOfQuota:
		return http.StatusTooManyRequests
	case Overloaded:
		return http.StatusServiceUnavailable
	case TimedOut:
		return http.StatusGatewayTimeout
	case Unclassified, ServerError:
	}
	return http.StatusBadGateway
}

// AboutQuota tells an account that is used up from one that is asked too fast, and from a request that is wrong: vendors
// answer all of them with 429, 400 and 403. Anthropic says so in the message alone.
func (e *Error) AboutQuota() bool {
	if e.Class == OutOfQuota {
		return true
	}
	for _, word := range [...]string{e.Type, e.Code} {
		word = strings.ToLower(word)
		if strings.Contains(word, "quota") || strings.Contains(word, "billing") || strings.Contains(word, "balance") {
			return true
		}
	}
	return strings.Contains(strings.ToLower(e.Message), "credit balance is too low")
}

// AboutKey finds refusals of a credential that come with another status than 401 (Gemini: 400).
func (e *Error) AboutKey() bool {
	return e.Code == "invalid_api_key" || e.Code == "API_KEY_INVALID" || strings.Contains(strings.ToLower(e.Message), "api key not valid")
}

// A RequestError is what is wrong with a caller's request, in words for the caller. It is answered with 400.
type RequestError struct {
	Param   string // the field at fault, in the caller's dialect; empty for the body as a whole
	Code    string // machine-readable; may be empty
	Message string
}

func (e *RequestError) Error() string { return e.Message }
