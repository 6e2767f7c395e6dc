package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/auth"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
)

const (
	tokenTimeout = 15 * time.Second // for one token
	tokenRetry   = 10 * time.Second // between tries that fail: calls in between fail at once
	tokenSkew    = 10 * time.Second // by which clocks may differ
	maxTokenAge  = time.Hour        // what Google gives; nothing is believed for longer
	maxTokens    = 1024             // held at a time: those used longest ago go
)

// cloudPlatform is the scope that Vertex AI asks for.
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// tokens are the access tokens of service accounts, one for each key. A token is renewed when nine tenths of its life are
// over, while calls still use it, so that none waits but the first. Its goroutines end with stop.
type tokens struct {
	now     func() time.Time
	ctx     context.Context // of the goroutines
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	held map[tokenKey]*token
}

// tokenKey tells keys apart. The same key is another one where it may ask elsewhere.
type tokenKey struct {
	secret [sha256.Size]byte
	open   bool
}

// A token is what is known of one key.
type token struct {
	value          string
	stale, expires time.Time // value is renewed from the one on, and of no use from the other on
	err            error     // of the last try, where that failed
	retry          time.Time // no try before
	used           time.Time
	under          chan struct{} // closed once the try under way is over; nil is none
}

func newTokens() *tokens {
	ctx, cancel := context.WithCancel(context.Background())
	return &tokens{now: time.Now, ctx: ctx, cancel: cancel, held: map[tokenKey]*token{}}
}

// get is a token for a service account's key. client is what it is asked for with; open is whether that reaches private
// addresses. The failure is Upstream with CodeCredential, unless ctx was cancelled.
func (t *tokens) get(ctx context.Context, secret string, client *http.Client, open bool) (string, error) {
	key := tokenKey{sha256.Sum256([]byte(secret)), open}
	for {
		value, under, err := t.look(key, secret, client)
		if under == nil {
			return value, err
		}
		select {
		case <-under:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return "", ctx.Err()
			}
			return "", credential(ctx.Err(), "the provider's key got no token in time")
		}
	}
}

// look is what there is of a key at once: a token, a failure, or a try to wait for, which it starts where it must.
func (t *tokens) look(key tokenKey, secret string, client *http.Client) (value string, under <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	held := t.held[key]
	if held == nil {
		t.makeRoom()
		held = &token{}
		t.held[key] = held
	}
	held.used = now
	if held.under == nil && !now.Before(held.stale) && !now.Before(held.retry) && t.ctx.Err() == nil {
		held.under = make(chan struct{})
		t.running.Go(func() { t.renew(key, held, secret, client) })
	}
	switch {
	case now.Before(held.expires):
		return held.value, nil, nil
	case held.under != nil:
		return "", held.under, nil
	case held.err != nil:
		return "", nil, held.err
	}
	return "", nil, credential(t.ctx.Err(), "the gateway is stopping")
}

// renew makes one try and stores how it went.
func (t *tokens) renew(key tokenKey, held *token, secret string, client *http.Client) {
	ctx, cancel := context.WithTimeout(t.ctx, tokenTimeout)
	defer cancel()
	value, lasts, err := ask(ctx, secret, client, key.open)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if held.err = err; err != nil {
		held.retry = now.Add(tokenRetry)
	} else {
		held.value, held.stale, held.expires = value, now.Add(lasts*9/10), now.Add(lasts-tokenSkew)
	}
	close(held.under)
	held.under = nil
}

// makeRoom forgets the key that was used longest ago, where there are too many.
func (t *tokens) makeRoom() {
	if len(t.held) < maxTokens {
		return
	}
	var oldest tokenKey
	var used time.Time
	for key, held := range t.held {
		if used.IsZero() || held.used.Before(used) {
			oldest, used = key, held.used
		}
	}
	delete(t.held, oldest)
}

// stop ends the goroutines and waits for them.
func (t *tokens) stop() {
	t.mu.Lock() // so that none begins between the two
	t.cancel()
	t.mu.Unlock()
	t.running.Wait()
}

// ask gets a token from where the key says.
func ask(ctx context.Context, secret string, client *http.Client, open bool) (value string, lasts time.Duration, err error) {
	account, err := provider.ParseServiceAccount(secret, open)
	if err != nil {
		return "", 0, credential(err, "the provider's key is no service account's that can be used")
	}
	source, err := auth.New2LOTokenProvider(&auth.Options2LO{
		Email: account.ClientEmail, PrivateKey: []byte(account.PrivateKey), PrivateKeyID: account.PrivateKeyID,
		TokenURL: account.TokenURI, Scopes: []string{cloudPlatform}, Client: client,
	})
	if err != nil {
		return "", 0, credential(err, "the provider's key is no service account's that can be used")
	}
	got, err := source.Token(ctx)
	if err != nil {
		return "", 0, credential(tokenError(err), "Google gave no token for the provider's key")
	}
	lasts = min(time.Until(got.Expiry), maxTokenAge)
	if got.Value == "" || lasts <= 2*tokenSkew {
		return "", 0, credential(errors.New("the token is empty or over at once"), "Google gave no token for the provider's key")
	}
	return got.Value, lasts, nil
}

// tokenError is a failure without the answer's body, which may repeat what was sent and goes to the log.
func tokenError(err error) error {
	failure, ok := errors.AsType[*auth.Error](err)
	switch {
	case !ok || failure.Response == nil:
		return err
	case failure.Response.StatusCode >= 400 && failure.Response.StatusCode <= 403:
		return fmt.Errorf("%w with %s", errRefusedAccount, failure.Response.Status)
	}
	return errors.New("the token's server answered " + failure.Response.Status)
}

// errRefusedAccount says that it is the key and nothing else that got no token.
var errRefusedAccount = errors.New("the token's server refused the account")

func credential(cause error, message string) error {
	return fault.Wrap(cause, fault.Upstream, "%s", message).WithCode(CodeCredential)
}
