package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/secret"
)

// Client reads price catalogues.
var _ catalog.Reader = (*Client)(nil)

// ReadListing reads a price catalogue. Redirects are not followed.
func (c *Client) ReadListing(ctx context.Context, address secret.Text, allowHosts []string, etag string, limit int64) (raw []byte, newEtag string, fresh bool, err error) {
	got, err := c.read(ctx, document{name: "catalogue", address: address, allowHosts: allowHosts, etag: etag, limit: limit})
	return got.raw, got.etag, got.fresh, err
}

// A document is something to be read that is not a provider's.
type document struct {
	name       string      // for people
	address    secret.Text // may be a secret in part
	allowHosts []string    // where it may be besides public addresses
	etag       string      // what there is of it already; "" is nothing
	limit      int64       // bytes
}

type contents struct {
	raw   []byte
	etag  string
	fresh bool // not what there was already
}

// maxETag is how long a validator may be to be kept, in bytes.
const maxETag = 200

// read reads a document straight, as its guard lets it.
func (c *Client) read(ctx context.Context, d document) (contents, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address.Reveal(), http.NoBody)
	if err != nil {
		return contents{}, fault.New(fault.Upstream, "the %s's address does not parse", d.name) // the cause holds it
	}
	request.Header.Set("User-Agent", c.userAgent)
	if d.etag != "" {
		request.Header.Set("If-None-Match", d.etag)
	}
	transport, err := c.ways.get(way{allow: strings.Join(d.allowHosts, ",")}, nil)
	if err != nil {
		return contents{}, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return contents{}, d.failure(ctx, err)
	}
	defer drain(response)
	switch {
	case response.StatusCode == http.StatusNotModified && d.etag != "":
		return contents{etag: d.etag}, nil
	case response.StatusCode != http.StatusOK:
		return contents{}, fault.New(fault.Upstream, "the %s's server answered HTTP %d", d.name, response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, d.limit+1))
	if err != nil {
		return contents{}, d.failure(ctx, err)
	}
	if int64(len(raw)) > d.limit {
		return contents{}, fault.New(fault.Upstream, "the %s is larger than %d KiB", d.name, d.limit>>10)
	}
	got := contents{raw: raw, fresh: true}
	if etag := response.Header.Get("ETag"); len(etag) <= maxETag {
		got.etag = etag
	}
	return got, nil
}

// failure words a failure of the document's server.
func (d document) failure(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	switch {
	case errors.Is(err, errBlocked):
		return fault.Wrap(err, fault.Upstream, "the %s's address is not public, and not allowed", d.name)
	case timedOut(ctx, err):
		return fault.Wrap(err, fault.Upstream, "the %s's server did not answer in time", d.name)
	}
	return fault.Wrap(err, fault.Upstream, "the %s's server could not be reached", d.name)
}
