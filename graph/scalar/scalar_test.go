package scalar

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"pgregory.net/rapid"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// written is what a Marshaler writes, as it would come back in a request.
func written(t interface{ Fatal(...any) }, m graphql.Marshaler) any {
	var b strings.Builder
	m.MarshalGQL(&b)
	d := json.NewDecoder(strings.NewReader(b.String()))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(b.String(), err)
	}
	return v
}

func TestEverythingComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := money.Amount(rapid.Int64().Draw(t, "amount"))
		if got, err := UnmarshalAmount(written(t, MarshalAmount(amount))); err != nil || got != amount {
			t.Fatalf("amount %d came back as %d, %v", amount, got, err)
		}
		price := money.Price(rapid.Int64Min(0).Draw(t, "price"))
		if got, err := UnmarshalPrice(written(t, MarshalPrice(price))); err != nil || got != price {
			t.Fatalf("price %d came back as %d, %v", price, got, err)
		}
		at := time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		if got, err := UnmarshalTime(written(t, MarshalTime(at))); err != nil || !got.Equal(at) {
			t.Fatalf("%v came back as %v, %v", at, got, err)
		}
		span := time.Duration(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "span")).Round(time.Microsecond)
		if got, err := UnmarshalDuration(written(t, MarshalDuration(span))); err != nil || got.Round(time.Microsecond) != span {
			t.Fatalf("%v came back as %v, %v", span, got, err)
		}
	})
	user := UserID(id.New[id.User]())
	if got, err := UnmarshalUserID(written(t, MarshalUserID(user))); err != nil || got != user {
		t.Errorf("%v came back as %v, %v", user, got, err)
	}
	for _, dialect := range []string{"openai", "responses", "anthropic", "gemini"} {
		if got, err := UnmarshalDialect(written(t, MarshalDialect(dialect))); err != nil || got != dialect {
			t.Errorf("%v came back as %v, %v", dialect, got, err)
		}
	}
	if got := written(t, MarshalPriceSource("")); got != "UNKNOWN" {
		t.Errorf("no source is %v", got)
	}
}

func TestTimesAreUTC(t *testing.T) {
	t.Parallel()
	at, err := UnmarshalTime("2026-01-02T03:04:05+01:00")
	if err != nil || written(t, MarshalTime(at)) != "2026-01-02T02:04:05Z" {
		t.Errorf("the time is %v, %v", at, err)
	}
}

func TestWhatDoesNotParseIsTheSendersMistake(t *testing.T) {
	t.Parallel()
	number := func(s string) json.Number { return json.Number(s) }
	for name, err := range map[string]error{
		"amount as number":    second(UnmarshalAmount(number("1"))),
		"amount in words":     second(UnmarshalAmount("one")),
		"amount too fine":     second(UnmarshalAmount("0.0000000001")),
		"amount too large":    second(UnmarshalAmount("99999999999999")),
		"negative price":      second(UnmarshalPrice("-1")),
		"price as null":       second(UnmarshalPrice(nil)),
		"time as number":      second(UnmarshalTime(number("1"))),
		"time without offset": second(UnmarshalTime("2026-01-02T03:04:05")),
		"span as text":        second(UnmarshalDuration("1s")),
		"span without end":    second(UnmarshalDuration(math.Inf(1))),
		"span too long":       second(UnmarshalDuration(number("1e300"))),
		"span too large":      second(UnmarshalDuration(int64(math.MaxInt64))),
		"another noun's id":   second(UnmarshalUserID(id.New[id.Key]().String())),
		"id as number":        second(UnmarshalKeyID(number("1"))),
		"empty id":            second(UnmarshalProviderID("")),
		"half an id":          second(UnmarshalModelID("mdl_")),
		"id in upper case":    second(UnmarshalSessionID(strings.ToUpper(id.New[id.Session]().String()))),
		"enum as number":      second(UnmarshalDialect(number("1"))),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
