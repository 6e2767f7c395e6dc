package upstream

import (
	"errors"
	"net/http"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/snapshot"
)

// A route sends requests to one provider, straight or through the proxies of its pool.
type route struct {
	client   *Client
	provider *snapshot.Provider
	key      id.ProviderKey // what a sticky choice goes by; zero where there is none
}

// RoundTrip makes one request. Where a proxy fails before the provider saw anything, another one is tried, and then the way
// without a proxy, if the pool allows it.
func (r route) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.provider.Egress == nil {
		return r.by(request, nil)
	}
	var room [maxExits]*snapshot.EgressProxy
	tried := room[:0]
	failure := errNoExit
	for len(tried) < maxExits {
		proxy := r.client.exits.choose(r.provider, r.key, tried)
		if proxy == nil {
			break
		}
		response, err := r.by(request, proxy)
		if err == nil {
			r.client.exits.worked(proxy.ID, r.provider.ID)
			return response, nil
		}
		failed, isProxy := errors.AsType[*proxyError](err)
		if !isProxy || request.Context().Err() != nil {
			return nil, err
		}
		r.client.exits.failed(proxy.ID, r.provider.ID, failed.reached)
		failure = err
		if request, err = again(request); err != nil {
			return nil, failure
		}
		tried = append(tried, proxy)
	}
	if r.provider.Egress.AllowDirect {
		return r.by(request, nil)
	}
	return nil, failure
}

// by makes a request on a pool of connections.
func (r route) by(request *http.Request, proxy *snapshot.EgressProxy) (*http.Response, error) {
	transport, err := r.client.ways.get(wayTo(r.provider, proxy), proxy)
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(request)
}

var (
	errNoExit   = errors.New("egress pool has no proxy that works")
	errNoRepeat = errors.New("request cannot be sent again")
)

// again is a request whose body has not been read. A transport closes the body of a request that it could not send.
func again(request *http.Request) (*http.Request, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return request, nil
	}
	if request.GetBody == nil {
		return nil, errNoRepeat
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	copied := *request
	copied.Body = body
	return &copied, nil
}

// pool is the egress pool of a target. One that is not in the configuration is a failure: nothing may go out without it.
func (c *Client) pool(pool *id.EgressPool) (*snapshot.EgressPool, error) {
	if pool == nil {
		return nil, nil
	}
	if c.config != nil {
		if found, ok := c.config.Current().EgressPool(*pool); ok {
			return found, nil
		}
	}
	return nil, fault.New(fault.Upstream, "the provider's egress pool is not known yet").WithCode(CodeEgress)
}

// A Config is where the configuration is found.
type Config interface{ Current() *snapshot.Snapshot }
