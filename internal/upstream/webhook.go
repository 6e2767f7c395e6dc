package upstream

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"aihigress/internal/fault"
)

// postTimeout is how long the receiver of a webhook may take in all.
const postTimeout = 15 * time.Second

// received says what became of a webhook, in words for its owner, who knows the address.
var received = map[string]string{
	CodeConnect:        "the address could not be reached",
	CodeConnectTimeout: "the address could not be reached in time",
	CodeTLS:            "no secure connection to the address",
	CodeBlocked:        "the address is not allowed",
	CodeTimeout:        "no answer in time",
	CodeBroken:         "the connection broke",
}

// Post sends a body to an address that a user wrote down, to nowhere but the public Internet. Any status is an answer; no
// redirect is followed, and nothing of what is said is read. A failure has the kind Upstream, unless ctx was cancelled.
func (c *Client) Post(ctx context.Context, url string, header map[string]string, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fault.Wrap(err, fault.Upstream, "the address cannot be called")
	}
	request.Header.Set("User-Agent", c.userAgent)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := c.ways.guarded.RoundTrip(request)
	if err != nil {
		err = classify(ctx, err)
		if failure, ok := fault.As(err); ok && received[failure.Code] != "" {
			err = fault.Wrap(err, fault.Upstream, "%s", received[failure.Code]).WithCode(failure.Code)
		}
		return 0, err
	}
	drain(response)
	return response.StatusCode, nil
}
