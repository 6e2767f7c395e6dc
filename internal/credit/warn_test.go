package credit

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

func TestExpiries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC)
	const hour, day = time.Hour, 24 * time.Hour
	lot := func(left money.Amount, ends, good time.Duration) Lot {
		return Lot{Left: left, ExpiresAt: now.Add(ends), CreatedAt: now.Add(ends - good)}
	}
	due := lot(5, -hour, 30*day)
	due.due = true
	for name, c := range map[string]struct {
		lots []Lot
		want []string
	}{
		"nothing":                   {nil, nil},
		"used up":                   {[]Lot{lot(0, hour, 30*day)}, nil},
		"over":                      {[]Lot{due}, nil},
		"later":                     {[]Lot{lot(5, 8*day, 30*day)}, nil},
		"within a week":             {[]Lot{lot(5, 6*day, 30*day)}, []string{"far 5 2026-03-16T06:00:00Z"}},
		"within a day":              {[]Lot{lot(5, 23*hour, 30*day)}, []string{"near 5 2026-03-11T05:00:00Z"}},
		"good for two weeks":        {[]Lot{lot(5, 6*day, 14*day)}, nil},
		"and tomorrow":              {[]Lot{lot(5, 20*hour, 14*day)}, []string{"near 5 2026-03-11T02:00:00Z"}},
		"good for two days":         {[]Lot{lot(5, 20*hour, 2*day)}, nil},
		"of one day":                {[]Lot{lot(5, 20*hour, 30*day), lot(0, 21*hour, 30*day), lot(3, 21*hour, 2*day), lot(2, 36*hour, 30*day)}, []string{"near 7 2026-03-11T02:00:00Z"}},
		"short ones do not lead":    {[]Lot{lot(3, 20*hour, day), lot(2, 36*hour, 30*day)}, []string{"far 2 2026-03-11T18:00:00Z"}},
		"of several days":           {[]Lot{lot(5, 20*hour, 30*day), lot(2, 3*day, 30*day), lot(1, 3*day+hour, 30*day), lot(9, 8*day, 30*day)}, []string{"near 5 2026-03-11T02:00:00Z", "far 3 2026-03-13T06:00:00Z"}},
		"a day that is half beyond": {[]Lot{lot(2, 7*day-hour, 30*day), lot(1, 7*day+hour, 30*day)}, []string{"far 3 2026-03-17T05:00:00Z"}},
	} {
		var got []string
		for _, e := range expiries(c.lots, now) {
			word := "far "
			if e.near {
				word = "near "
			}
			got = append(got, word+e.left.String()[len(e.left.String())-1:]+" "+e.at.Format(time.RFC3339))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestUsersAreToldBeforeCreditExpires: once a week ahead and once a day ahead, of what is left then.
func TestUsersAreToldBeforeCreditExpires(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	node := id.New[id.Node]()
	user, account := b.open(100)
	b.open(70)
	b.lot(user, 50, 20*24*time.Hour)
	tell := func() []notify.Message {
		t.Helper()
		in := &letters{}
		n, err := b.ledger.WarnExpiries(job(t.Context()), in)
		if err != nil || n != len(in.sent) {
			t.Fatalf("%d told, %d sent: %v", n, len(in.sent), err)
		}
		return in.sent
	}
	if got := tell(); len(got) != 0 {
		t.Fatalf("three weeks ahead: %+v", got)
	}
	b.pass(14 * 24 * time.Hour)
	b.exec(`UPDATE credit_entries SET created_at = created_at - interval '14 days'`)
	far := tell()
	b.book(node, charge(account, 20))
	b.pass(5*24*time.Hour + 12*time.Hour)
	b.exec(`UPDATE credit_entries SET created_at = created_at - interval '6 days'`)
	near := tell()
	if len(far) != 1 || len(near) != 1 {
		t.Fatalf("a week ahead %+v, a day ahead %+v", far, near)
	}
	for i, m := range []notify.Message{far[0], near[0]} {
		want := []struct {
			severity notify.Severity
			amount   money.Amount
			state    string
		}{{notify.Info, 50, "far"}, {notify.Warning, 30, "near"}}[i]
		if m.Kind != KindExpiring || m.Severity != want.severity || m.State != want.state || m.Details["amount"] != want.amount.String() || len(m.To.Users) != 1 || m.To.Users[0] != user ||
			m.To.Admins || m.Matter == "" || m.Title != want.amount.String()+" credits expire on "+m.Details["day"] || m.Details["at"][:len(time.DateOnly)] != m.Details["day"] {
			t.Errorf("%+v", m)
		}
	}
	if _, err := b.ledger.WarnExpiries(job(t.Context()), &letters{fail: errors.New("full")}); err == nil {
		t.Error("what could not be told is no failure")
	}
	b.pass(24 * time.Hour)
	if got := tell(); len(got) != 0 {
		t.Errorf("of what is over: %+v", got)
	}
}
