package e2e

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// A tenant is somebody who calls: a user with credit, a key, and a model with a price that nobody else uses.
type tenant struct {
	url    string
	userID string
	email  string
	keyID  string
	key    string // the secret
	model  string
	slug   string // of the provider
}

// terms are what a tenant gets. The zero value is plenty of credit, no limits and a vendor that answers at once.
type terms struct {
	credit string // "1000" where empty; "0" is none
	limits vars   // of the key
	vendor string // what the vendor calls the model, knobs of the simulator's included
}

// tenantPassword is what every tenant signs in with.
const tenantPassword = "a long enough password"

var tenants atomic.Int64

// newTenant makes all of it as an admin's script would, and returns once the gateway follows.
func newTenant(t testing.TB, g *graph, vendorURL string, its terms) *tenant {
	t.Helper()
	if its.credit == "" {
		its.credit = "1000"
	}
	if its.vendor == "" {
		its.vendor = "sim-chat"
	}
	name := fmt.Sprintf("tenant-%d", tenants.Add(1))
	c := &tenant{url: g.url, email: name + "@example.com", model: name + "-model", slug: name}
	var made struct {
		CreateUser     struct{ User struct{ ID string } }
		CreateProvider struct{ Provider struct{ ID string } }
	}
	g.do(t, `mutation($user: CreateUserInput!, $provider: CreateProviderInput!) {
		createUser(input: $user) { user { id } userErrors { code message } }
		createProvider(input: $provider) { provider { id } userErrors { code message } }
	}`, vars{
		"user": vars{"email": c.email, "password": tenantPassword},
		"provider": vars{
			"name": name, "slug": name, "dialect": "OPENAI", "baseUrl": vendorURL, "visibility": "PUBLIC", "allowPrivate": true,
			"keys":   []vars{{"secret": "sk-sim-of-" + name}},
			"models": []vars{{"upstreamId": its.vendor, "inputPrice": "1", "outputPrice": "2"}},
		},
	}, &made)
	c.userID = made.CreateUser.User.ID
	g.do(t, `mutation($model: CreateModelInput!) { createModel(input: $model) { userErrors { code message } } }`, vars{
		"model": vars{"name": c.model, "routes": []vars{{"providerId": made.CreateProvider.Provider.ID, "upstreamId": its.vendor}}},
	}, nil)
	if its.credit != "0" {
		g.do(t, `mutation($grant: GrantCreditInput!) { grantCredit(input: $grant) { userErrors { code message } } }`, vars{
			"grant": vars{"userId": c.userID, "amount": its.credit, "reason": "to begin with", "idempotencyKey": name},
		}, nil)
	}
	c.keyID, c.key = newKey(t, g, c.userID, its.limits)
	eventually(t, patience(time.Second), "a new key and model work", func() bool { return c.status(t, "/v1/models/"+c.model) == http.StatusOK })
	return c
}

// newKey makes a key of a user.
func newKey(t testing.TB, g *graph, userID string, limits vars) (id, secret string) {
	t.Helper()
	input := vars{"name": "a key", "userId": userID}
	if limits != nil {
		input["limits"] = limits
	}
	var made struct {
		CreateAPIKey struct {
			APIKey struct{ ID string }
			Secret string
		}
	}
	g.do(t, `mutation($key: CreateApiKeyInput!) { createApiKey(input: $key) { apiKey { id } secret userErrors { code message } } }`, vars{"key": input}, &made)
	return made.CreateAPIKey.APIKey.ID, made.CreateAPIKey.Secret
}

// on is the same tenant calling another node.
func (c tenant) on(n *node) *tenant {
	c.url = n.url
	return &c
}

// answer is the status and body of a GET with the tenant's key.
func (c *tenant) answer(t testing.TB, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// status is the status alone.
func (c *tenant) status(t testing.TB, path string) int {
	t.Helper()
	status, _ := c.answer(t, path)
	return status
}

// sdk is the official client, which does not retry so that the gateway's own answer is seen.
func (c *tenant) sdk() openai.Client { return newSDK(c.url, c.key) }

func newSDK(url, key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

// hello is a short conversation.
func hello(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("Hello!")},
	}
}

// chat sends one call that must be answered.
func (c *tenant) chat(t testing.TB, o ...option.RequestOption) *openai.ChatCompletion {
	t.Helper()
	client := c.sdk()
	answer, err := client.Chat.Completions.New(t.Context(), hello(c.model), o...)
	if err != nil {
		t.Fatalf("chat: %v", err)
	}
	return answer
}
