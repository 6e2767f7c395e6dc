package usage

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// sameEvent compares what a record carries: not what the spool and the meter set, and nil like empty.
var sameEvent = cmp.Options{
	cmpopts.IgnoreUnexported(Event{}), cmpopts.IgnoreFields(Event{}, "NodeID"), cmpopts.EquateEmpty(),
}

func drawID[T ~struct{ uuid.UUID }](t *rapid.T, label string) T {
	return T(struct{ uuid.UUID }{uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))})
}

func drawTime(t *rapid.T, label string) time.Time {
	return time.UnixMicro(rapid.Int64Range(1.7e15, 1.9e15).Draw(t, label)).UTC()
}

func drawDuration(t *rapid.T, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, maxDuration.Microseconds()).Draw(t, label)) * time.Microsecond
}

func drawAmount(t *rapid.T, label string) *money.Amount {
	if rapid.Bool().Draw(t, label+" known") {
		return amount(rapid.Int64Min(0).Draw(t, label))
	}
	return nil
}

// drawText gives texts that come back as they are.
func drawText(t *rapid.T, label string) string {
	text := rapid.StringOfN(rapid.Rune(), 0, 60, maxText).Draw(t, label)
	return strings.ReplaceAll(text, "\x00", "-")
}

func drawUsage(t *rapid.T) llm.Usage {
	n := func(label string) int64 { return rapid.Int64Range(0, llm.MaxTokens).Draw(t, label) }
	u := llm.Usage{
		Input: n("input"), CachedInput: n("cached"), CacheWrite5m: n("5m"), CacheWrite1h: n("1h"), Output: n("output"),
		Reasoning: n("reasoning"), AudioInput: n("audio in"), AudioOutput: n("audio out"),
		ImageInput: n("image in"), ImageOutput: n("image out"), ToolUses: n("tool uses"),
		Images: n("images"), Seconds: n("seconds"), Characters: n("characters"), Tier: llm.Tier(rapid.IntRange(0, 3).Draw(t, "tier")),
		Estimated: rapid.Bool().Draw(t, "estimated"),
	}
	u, _ = u.Clamp()
	return u
}

func drawEvent(t *rapid.T) Event {
	e := Event{
		StartedAt: drawTime(t, "started"), RequestID: drawText(t, "request id"),
		UserID: drawID[id.User](t, "user"), KeyID: drawID[id.Key](t, "key"), AccountID: drawID[id.Account](t, "account"),
		Model: drawText(t, "model"), ProviderSlug: drawText(t, "slug"), UpstreamModel: drawText(t, "upstream"),
		Dialect: drawText(t, "dialect"), Endpoint: drawText(t, "endpoint"), Streamed: rapid.Bool().Draw(t, "streamed"),
		HTTPStatus: int(rapid.Int32().Draw(t, "status")), Outcome: rapid.SampledFrom(Outcomes()).Draw(t, "outcome"),
		ErrorCode: drawText(t, "code"), Duration: drawDuration(t, "duration"), FirstToken: drawDuration(t, "first token"),
		Usage: drawUsage(t), Unpriced: rapid.Bool().Draw(t, "unpriced"), Charge: drawAmount(t, "charge"),
		Cost: drawAmount(t, "cost"), Hold: money.Amount(rapid.Int64().Draw(t, "hold")),
	}
	e.ID = NewID(e.StartedAt)
	if rapid.Bool().Draw(t, "has provider") {
		e.ProviderID = new(drawID[id.Provider](t, "provider"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "attempts") {
		e.Attempts = append(e.Attempts, Attempt{
			ProviderID: drawID[id.Provider](t, "provider"), ProviderSlug: drawText(t, "slug"),
			KeyID: drawID[id.ProviderKey](t, "provider key"), Status: rapid.IntRange(0, 599).Draw(t, "status"),
			Error: drawText(t, "error"), StartedAt: drawTime(t, "started"), Duration: drawDuration(t, "duration"),
			Charge: money.Amount(rapid.Int64Min(0).Draw(t, "charge")), Unpriced: rapid.Bool().Draw(t, "attempt unpriced"),
		})
	}
	e.Plan = drawPlan(t)
	e.PriceVersion = rapid.StringMatching("[0-9a-f]{0,24}").Draw(t, "price version")
	for range rapid.IntRange(0, 3).Draw(t, "budgets") {
		e.Budgets = append(e.Budgets, drawID[id.Request](t, "budget").UUID)
	}
	if n := rapid.IntRange(0, 3).Draw(t, "tags"); n > 0 {
		e.Tags = map[string]string{}
		for range n {
			e.Tags[drawText(t, "tag")] = drawText(t, "value")
		}
	}
	return e
}

func drawPlan(t *rapid.T) *Plan {
	n := rapid.IntRange(0, MaxPlanned).Draw(t, "planned")
	if n == 0 {
		return nil
	}
	short := func(label string) string {
		return strings.ReplaceAll(rapid.StringOfN(rapid.Rune(), 0, 12, maxPlanned).Draw(t, label), "\x00", "-")
	}
	p := &Plan{Strategy: short("strategy"), More: rapid.IntRange(0, 100).Draw(t, "more")}
	for range n {
		target := Planned{ProviderSlug: short("slug"), UpstreamModel: short("upstream"), KeyID: drawID[id.ProviderKey](t, "key"), Out: short("out")}
		if rapid.Bool().Draw(t, "scored") {
			target.Score = new(float64(rapid.Float32().Draw(t, "score")))
		}
		p.Targets = append(p.Targets, target)
	}
	return p
}

func TestEventComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvent(t)
		kind, got, err := decodeRecord(appendRecord(nil, finishedRecord, &want))
		if err != nil || kind != finishedRecord {
			t.Fatalf("decode: %v, %v", kind, err)
		}
		if diff := cmp.Diff(want, got, sameEvent); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The largest event must fit, or a reader would take it for damage.
func TestLargestEventFits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	e := Event{
		RequestID: long, Model: long, ProviderID: new(id.New[id.Provider]()), ProviderSlug: long, UpstreamModel: long,
		Dialect: long, Endpoint: long, Outcome: Outcome(long), ErrorCode: long, HTTPStatus: -1 << 31,
		StartedAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Duration: 1<<63 - 1, FirstToken: -1 << 63,
		Charge: amount(-1 << 63), Cost: amount(1<<63 - 1), Hold: money.MaxAmount,
		Usage: llm.Usage{Input: 1<<63 - 1, CachedInput: -1 << 63, Output: 1<<63 - 1},
		Tags:  map[string]string{},
	}
	e.PriceVersion = long
	e.Plan = &Plan{Strategy: long, More: 1<<63 - 1}
	for i := range 1000 {
		e.Budgets = append(e.Budgets, id.New[id.Limit]().UUID)
		e.Plan.Targets = append(e.Plan.Targets, Planned{ProviderSlug: long, UpstreamModel: long, KeyID: id.New[id.ProviderKey](), Score: new(math.MaxFloat64), Out: long})
		e.Attempts = append(e.Attempts, Attempt{ProviderSlug: long, Error: long, Status: i, Duration: 1<<63 - 1, Charge: money.MaxAmount})
		e.Tags[strings.Repeat("t", 300)+time.Duration(i).String()] = long
		e.Tags[time.Duration(i).String()+long] = long
	}
	payload := appendRecord(nil, finishedRecord, &e)
	if len(payload) > maxPayload {
		t.Fatalf("the largest event takes %d bytes, and %d are read", len(payload), maxPayload)
	}
	_, got, err := decodeRecord(payload)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Attempts); n != maxAttempts || got.Attempts[n-1].Status != 999 {
		t.Errorf("%d attempts, the last with status %d; want the last %d", n, got.Attempts[n-1].Status, maxAttempts)
	}
	if len(got.Plan.Targets) != MaxPlanned || got.Plan.Targets[0].Score != nil {
		t.Errorf("%d targets, the first with a score: %v", len(got.Plan.Targets), got.Plan.Targets[0].Score)
	}
	if got.Usage.Output != llm.MaxTokens || got.Usage.CachedInput != 0 {
		t.Errorf("usage %+v is not clamped", got.Usage)
	}
}

func TestTextsAreCleaned(t *testing.T) {
	t.Parallel()
	e := Event{Model: "a\x00b\xffc", Tags: map[string]string{"k\x00": "\xc3"}, Attempts: []Attempt{{Error: "\x00"}}}
	_, got, err := decodeRecord(appendRecord(nil, finishedRecord, &e))
	if err != nil {
		t.Fatal(err)
	}
	if want := "a\uFFFDb\uFFFDc"; got.Model != want {
		t.Errorf("model %q, want %q", got.Model, want)
	}
	if got.Tags["k\uFFFD"] != "\uFFFD" || got.Attempts[0].Error != "\uFFFD" {
		t.Errorf("tags %q, attempts %+v", got.Tags, got.Attempts)
	}
}

// An older reader must take what a newer version appended.
func TestFieldsOfTheFutureAreIgnored(t *testing.T) {
	t.Parallel()
	want := Event{Model: "m", Outcome: OK, StartedAt: time.UnixMicro(1).UTC()}
	_, got, err := decodeRecord(append(appendRecord(nil, finishedRecord, &want), "something new"...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameEvent); diff != "" {
		t.Error(diff)
	}
}

// What a node wrote before an update is booked after it.
func TestEventsOfEarlierVersionsAreRead(t *testing.T) {
	t.Parallel()
	want := sampleEvent(time.Unix(1_700_000_000, 0))
	payload := appendRecord(nil, finishedRecord, &want)
	for version, without := range []int{
		12, // images, tool uses, the charge of the one attempt, the plan and the price version, each a byte of zero, and what follows
		9,  // the charge, the plan and the version, and what follows
		8,  // the plan and the version, and what follows
		7,  // the version, and what follows
		6,  // the tier, pictures, seconds, characters, which attempts are unpriced, and budgets
		1,  // budgets
	} {
		_, got, err := decodeRecord(payload[:len(payload)-without])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameEvent); diff != "" {
			t.Errorf("version %d: %s", version+1, diff)
		}
	}
}

func TestIDHoldsTheTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := drawTime(t, "at")
		request := NewID(at)
		if got := timeOf(request); !got.Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("time of %v is %v", at, got)
		}
		if request.Version() != 7 || request.Variant() != uuid.RFC4122 {
			t.Fatalf("%v is version %v, variant %v", request, request.Version(), request.Variant())
		}
		if later := NewID(at.Add(time.Microsecond)); later.String() <= request.String() {
			t.Fatalf("%v came after %v", later, request)
		}
	})
}

func FuzzDecode(f *testing.F) {
	e := sampleEvent(time.Unix(1_700_000_000, 0))
	f.Add(appendRecord(nil, finishedRecord, &e))
	f.Add([]byte{})
	f.Add(append([]byte{1}, make([]byte, 200)...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, e, err := decodeRecord(payload)
		if err != nil {
			return
		}
		for _, text := range []string{e.Model, e.RequestID, e.ErrorCode, string(e.Outcome)} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Errorf("text %q would be refused", text)
			}
		}
		if y := e.StartedAt.Year(); y < 0 || y > 9999 || e.Duration < 0 || e.Usage.Total() < 0 {
			t.Errorf("year %d, duration %v, usage %+v", y, e.Duration, e.Usage)
		}
		// The spool writes recovered requests again.
		if _, _, err := decodeRecord(appendRecord(nil, finishedRecord, &e)); err != nil {
			t.Fatalf("a decoded event does not decode again: %v", err)
		}
	})
}

const sampleCharge = 1_234_000

// sampleEvent is a request as most are: streamed, one attempt, priced.
func sampleEvent(at time.Time) Event {
	at = at.UTC().Truncate(time.Microsecond)
	provider := id.New[id.Provider]()
	return Event{
		ID: NewID(at), RequestID: "9f1c2b7ad4", StartedAt: at, UserID: id.New[id.User](), KeyID: id.New[id.Key](),
		AccountID: id.New[id.Account](), Model: "gpt-4.1-mini", ProviderID: &provider, ProviderSlug: "openai",
		UpstreamModel: "gpt-4.1-mini-2025-04-14", Dialect: "openai", Endpoint: "chat.completions", Streamed: true,
		HTTPStatus: 200, Outcome: OK, Duration: 1830 * time.Millisecond, FirstToken: 210 * time.Millisecond,
		Usage: llm.Usage{Input: 812, CachedInput: 1024, Output: 377}, Charge: amount(sampleCharge), Cost: amount(sampleCharge),
		Hold: 5_000_000,
		Attempts: []Attempt{{
			ProviderID: provider, ProviderSlug: "openai", KeyID: id.New[id.ProviderKey](), Status: 200, StartedAt: at,
			Duration: 1829 * time.Millisecond,
		}},
	}
}
