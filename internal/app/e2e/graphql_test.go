package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/option"
)

// TestGraphQL manages the gateway as a script does and follows a call through everything that can be asked about it.
func TestGraphQL(t *testing.T) {
	t.Parallel()
	d := startDev(t, newDir(t))
	g := d.admin(t)
	run := func(name string, test func(*testing.T, *dev, *graph)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d, g)
		})
	}
	run("a call is listed", testCallIsListed)
	run("request logged", testRequestLogged)
	run("live metrics", testLiveMetricsMove)
	run("credit", testCreditMoves)
	run("anonymous", testAnonymous)
	run("platform key", testPlatformKey)
	run("member", testMember)
}

// A loggedCall is a request as GraphQL shows it.
type loggedCall struct {
	ID, RequestID string
	APIKey        struct{ ID string }
	User          struct{ ID string }
	Model         string
	Provider      struct{ Slug string }
	UpstreamModel string
	Dialect       string
	Streamed      bool
	HTTPStatus    int
	Outcome       string
	Attempts      []struct {
		Provider string
		Status   int
	}
	Duration float64
	Usage    struct {
		InputTokens, OutputTokens int64
		Estimated                 bool
	}
	Charge, Cost string
	Tags         []struct{ Name, Value string }
}

const loggedFields = `id requestId apiKey { id } user { id } model provider { slug } upstreamModel dialect streamed httpStatus outcome
	attempts { provider key status error startedAt duration } duration timeToFirstToken
	usage { inputTokens cachedInputTokens cacheWriteTokens outputTokens reasoningTokens estimated } charge cost tags { name value }`

// find is the call with this x-request-id, once it is listed: which must be within a second.
func find(t *testing.T, g *graph, requestID string) (call loggedCall) {
	t.Helper()
	eventually(t, patience(time.Second), "the call is listed", func() bool {
		var list struct{ Requests struct{ Nodes []loggedCall } }
		g.do(t, `query($id: String!) { requests(first: 2, filter: {requestId: $id}) { nodes { `+loggedFields+` } } }`, vars{"id": requestID}, &list)
		if len(list.Requests.Nodes) > 1 {
			t.Fatalf("%s is listed more than once", requestID)
		}
		if len(list.Requests.Nodes) == 0 {
			return false
		}
		call = list.Requests.Nodes[0]
		return true
	})
	return call
}

func testCallIsListed(t *testing.T, d *dev, g *graph) {
	c := newTenant(t, g, d.Simulator, terms{vendor: "sim-chat?tokens=7"})
	const id = "a-call-that-is-listed"
	answer := c.chat(t, option.WithHeader("X-Request-Id", id), option.WithHeader("X-Aihigress-Tags", "team=red"))
	got := find(t, g, id)
	if got.APIKey.ID != c.keyID || got.User.ID != c.userID || got.Model != c.model || got.Provider.Slug != c.slug || got.UpstreamModel != "sim-chat?tokens=7" {
		t.Errorf("who and what: %+v", got)
	}
	if got.Outcome != "OK" || got.HTTPStatus != 200 || got.Streamed || got.Dialect != "OPENAI" || got.Duration <= 0 || len(got.Attempts) != 1 || got.Attempts[0].Status != 200 {
		t.Errorf("how: %+v", got)
	}
	if got.Usage.InputTokens != answer.Usage.PromptTokens || got.Usage.OutputTokens != 7 || got.Usage.Estimated {
		t.Errorf("usage %+v, the caller was told %+v", got.Usage, answer.Usage)
	}
	// 1 and 2 credits a million tokens.
	if want := fmt.Sprintf("0.%06d", answer.Usage.PromptTokens+2*7); got.Charge != want || got.Cost != want {
		t.Errorf("charge %s, cost %s, want %s", got.Charge, got.Cost, want)
	}
	if len(got.Tags) != 1 || got.Tags[0].Name != "team" || got.Tags[0].Value != "red" {
		t.Errorf("tags %+v", got.Tags)
	}
	var node struct {
		Node struct {
			Typename  string `json:"__typename"`
			RequestID string
		}
	}
	g.do(t, `query($id: ID!) { node(id: $id) { __typename ... on Request { requestId } } }`, vars{"id": got.ID}, &node)
	if node.Node.Typename != "Request" || node.Node.RequestID != id {
		t.Errorf("by its id: %+v", node)
	}
	// The same x-request-id again is another call, or it would be free.
	c.chat(t, option.WithHeader("X-Request-Id", id))
	conn := connect(t, d.DatabaseURL)
	eventually(t, patience(time.Second), "a repeated x-request-id is logged and charged again", func() bool {
		return scan[int](t, conn, `SELECT count(*) FROM requests r JOIN credit_entries e ON e.request_id = r.id WHERE r.request_id = $1`, id) == 2
	})
}

func testRequestLogged(t *testing.T, d *dev, g *graph) {
	for name, subscribe := range map[string]func(testing.TB, *graph, string, vars) <-chan json.RawMessage{
		"websocket": subscribeWebSocket, "sse": subscribeSSE,
	} {
		c := newTenant(t, g, d.Simulator, terms{})
		other := newTenant(t, g, d.Simulator, terms{})
		calls := subscribe(t, g, `subscription($filter: RequestFilter) { requestLogged(filter: $filter) { `+loggedFields+` } }`,
			vars{"filter": vars{"model": c.model}})
		var first json.RawMessage
		sent := 0
		eventually(t, patience(5*time.Second), "over "+name+" a call is told of", func() bool {
			sent++
			other.chat(t)
			c.chat(t, option.WithHeader("X-Request-Id", fmt.Sprintf("%s-%d", name, sent)))
			select {
			case first = <-calls:
				return true
			case <-time.After(patience(time.Second)): // the subscription may have begun after the call
				return false
			}
		})
		var got struct{ RequestLogged loggedCall }
		decode(t, first, &got)
		if call := got.RequestLogged; !strings.HasPrefix(call.RequestID, name) || call.Model != c.model || call.Charge == "" || call.User.ID != c.userID {
			t.Errorf("over %s: %+v", name, call)
		}
	}
}

func testLiveMetricsMove(t *testing.T, d *dev, g *graph) {
	c := newTenant(t, g, d.Simulator, terms{vendor: "sim-chat?tokens=6"})
	filter := vars{"filter": vars{"model": c.model}}
	const query = `subscription($filter: MetricFilter) { liveMetrics(filter: $filter) { at nodes requestsPerSecond tokensPerSecond chargePerSecond inFlight p50 } }`
	type figures struct {
		LiveMetrics struct {
			At                                 time.Time
			Nodes                              int
			RequestsPerSecond, TokensPerSecond float64
			ChargePerSecond                    string
			P50                                *float64
		}
	}
	overSocket, overSSE := subscribeWebSocket(t, g, query, filter), subscribeSSE(t, g, query, filter)
	for name, live := range map[string]<-chan json.RawMessage{"websocket": overSocket, "sse": overSSE} {
		var still, moved figures
		decode(t, receive(t, live), &still)
		if still.LiveMetrics.Nodes != 1 || still.LiveMetrics.RequestsPerSecond != 0 {
			t.Errorf("over %s, before any call: %+v", name, still)
		}
		l := newLoad(t, c, "live-"+name)
		sending, stop := contextWithStop(t)
		l.start(sending, 1, 1<<20)
		eventually(t, patience(10*time.Second), "over "+name+" the figures move", func() bool {
			decode(t, receive(t, live), &moved)
			m := moved.LiveMetrics
			return m.RequestsPerSecond > 0 && m.TokensPerSecond > m.RequestsPerSecond && m.ChargePerSecond != "0" && m.P50 != nil
		})
		stop()
		l.wait()
		eventually(t, patience(10*time.Second), "over "+name+" the figures come to rest", func() bool {
			var rest figures
			decode(t, receive(t, live), &rest)
			return rest.LiveMetrics.RequestsPerSecond == 0
		})
	}
}

// receive is the next message of a subscription.
func receive(t *testing.T, messages <-chan json.RawMessage) json.RawMessage {
	t.Helper()
	select {
	case raw, ok := <-messages:
		if !ok {
			t.Fatal("the subscription has ended")
		}
		return raw
	case <-time.After(patience(5 * time.Second)):
		t.Fatal("nothing for five seconds")
	}
	return nil
}

func testCreditMoves(t *testing.T, d *dev, g *graph) {
	c := newTenant(t, g, d.Simulator, terms{credit: "10", vendor: "sim-chat?tokens=7"})
	type account struct {
		CreditAccount struct {
			Balance, Reserved, Available string
			Entries                      struct {
				Nodes []struct{ Kind, Amount, Reason string }
			}
		}
	}
	const query = `query($user: ID!) { creditAccount(userId: $user) { balance reserved available entries(first: 10) { nodes { kind amount reason } } } }`
	var before, after account
	g.do(t, query, vars{"user": c.userID}, &before)
	if before.CreditAccount.Balance != "10" || len(before.CreditAccount.Entries.Nodes) != 1 || before.CreditAccount.Entries.Nodes[0].Kind != "GRANT" {
		t.Errorf("after a grant of 10: %+v", before)
	}
	const id = "a-call-that-is-paid"
	c.chat(t, option.WithHeader("X-Request-Id", id))
	paid := find(t, g, id)
	g.do(t, query, vars{"user": c.userID}, &after)
	entries := after.CreditAccount.Entries.Nodes
	if len(entries) != 2 || entries[0].Kind != "CHARGE" || entries[0].Amount != "-"+paid.Charge {
		t.Errorf("entries %+v, and the call was %s", entries, paid.Charge)
	}
	// The same key again grants nothing.
	grant := vars{"grant": vars{"userId": c.userID, "amount": "10", "reason": "to begin with", "idempotencyKey": c.slug}}
	g.do(t, `mutation($grant: GrantCreditInput!) { grantCredit(input: $grant) { userErrors { code message } } }`, grant, nil)
	conn := connect(t, d.DatabaseURL)
	sums(t, conn, c, scan[int64](t, conn, `SELECT sum(charge)::bigint FROM requests WHERE model = $1`, c.model))
	if n := scan[int](t, conn, `SELECT count(*) FROM credit_entries e JOIN credit_accounts a ON a.id = e.account_id JOIN users u ON u.id = a.user_id
		WHERE u.email = $1 AND e.kind = 'grant'`, c.email); n != 1 {
		t.Errorf("the grant is booked %d times", n)
	}
}

// testAnonymous asks without a token, and with one that is none.
func testAnonymous(t *testing.T, d *dev, _ *graph) {
	for _, g := range []*graph{{url: d.URL}, {url: d.URL, token: "none"}, {url: d.URL, token: "sk-hg-" + strings.Repeat("A", 49)}} {
		for _, query := range []string{`{ providers { nodes { id } } }`, `{ requests { nodes { id } } }`,
			`mutation { createUser(input: {email: "x@example.com", password: "a long enough password"}) { user { id } } }`} {
			resp, err := g.post(t.Context(), "application/json", query, nil)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				Data   map[string]any
				Errors []struct{ Extensions struct{ Code string } }
			}
			err = json.NewDecoder(resp.Body).Decode(&answer)
			resp.Body.Close()
			if err != nil || len(answer.Errors) == 0 || answer.Errors[0].Extensions.Code != "UNAUTHENTICATED" {
				t.Errorf("token %q, %s: status %d, %+v, %v; want UNAUTHENTICATED", g.token, query, resp.StatusCode, answer, err)
			}
		}
	}
	if err := (&graph{url: d.URL}).try(t.Context(), `mutation { signIn(input: {email: "admin@example.com", password: "wrong"}) { accessToken userErrors { code message } } }`, nil, nil); err == nil {
		t.Error("a wrong password signs in")
	}
}

// testPlatformKey uses a gateway key in place of an access token: only with its scope, and then for nothing else.
func testPlatformKey(t *testing.T, d *dev, g *graph) {
	for scope, want := range map[string]struct {
		models int
		viewer string
	}{
		"INFERENCE": {http.StatusOK, ""},
		"PLATFORM":  {http.StatusUnauthorized, g.viewer},
	} {
		var made struct{ CreateAPIKey struct{ Secret string } }
		g.do(t, `mutation($key: CreateApiKeyInput!) { createApiKey(input: $key) { secret userErrors { code message } } }`,
			vars{"key": vars{"name": "a script", "scopes": []string{scope}}}, &made)
		script := &graph{url: d.URL, token: made.CreateAPIKey.Secret}
		caller := &tenant{url: d.URL, key: made.CreateAPIKey.Secret}
		var got struct{ Viewer struct{ ID string } }
		eventually(t, patience(testLag), "a key for "+scope+" works", func() bool {
			err := script.try(t.Context(), `{ viewer { id } }`, nil, &got)
			return err == nil && got.Viewer.ID != "" || caller.status(t, "/v1/models") == http.StatusOK
		})
		if models := caller.status(t, "/v1/models"); models != want.models || got.Viewer.ID != want.viewer {
			t.Errorf("a key for %s: %d at /v1/models, viewer %q; want %+v", scope, models, got.Viewer.ID, want)
		}
	}
}

// testMember signs in as somebody who may only see what is theirs.
func testMember(t *testing.T, d *dev, g *graph) {
	c := newTenant(t, g, d.Simulator, terms{})
	other := newTenant(t, g, d.Simulator, terms{})
	const mine, theirs = "a-call-of-mine", "a-call-of-theirs"
	c.chat(t, option.WithHeader("X-Request-Id", mine))
	other.chat(t, option.WithHeader("X-Request-Id", theirs))
	find(t, g, mine)
	hidden := find(t, g, theirs)
	member := signIn(t, d.URL, c.email, tenantPassword)
	var seen struct {
		Requests struct {
			Nodes []struct {
				RequestID string
				Cost      *string
			}
			TotalCount int
		}
		Node any
	}
	member.do(t, `query($id: ID!) { requests { nodes { requestId cost } totalCount } node(id: $id) { id } }`, vars{"id": hidden.ID}, &seen)
	if len(seen.Requests.Nodes) != 1 || seen.Requests.Nodes[0].RequestID != mine || seen.Requests.TotalCount != 1 {
		t.Errorf("a member sees %+v, want their own call alone", seen.Requests)
	} else if seen.Requests.Nodes[0].Cost != nil {
		t.Error("a member sees what the vendor charges")
	}
	if seen.Node != nil {
		t.Errorf("a member sees somebody else's call: %v", seen.Node)
	}
	for _, mutation := range []string{
		`mutation($id: ID!) { grantCredit(input: {userId: $id, amount: "1", reason: "why not", idempotencyKey: "m"}) { entry { id } userErrors { code message } } }`,
		`mutation($id: ID!) { createApiKey(input: {name: "theirs", userId: $id}) { secret userErrors { code message } } }`,
		`mutation($id: ID!) { updateUser(input: {id: $id, role: ADMIN}) { user { id } userErrors { code message } } }`,
	} {
		if err := member.try(t.Context(), mutation, vars{"id": other.userID}, nil); err == nil {
			t.Errorf("a member may: %s", mutation)
		}
	}
}
