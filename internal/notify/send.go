package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	maxTitle    = 200 // bytes; more is cut
	maxText     = 1000
	maxAudience = 1000 // users who are told of one thing
	// maxPause bounds the pause between two tellings of a matter that goes to and fro; one that kept still for twice as long
	// starts anew.
	maxPause = time.Hour
)

// A Message is something to tell.
type Message struct {
	To       Audience
	Kind     string
	Severity Severity
	Title    string
	Text     string
	Subject  string
	Details  map[string]string

	// Matter is what the message is about: while its State stays the same it is told once, by whichever node comes first. A
	// message without a matter is told each time.
	Matter string
	State  string
	// Pause is how long a matter that was told of is left alone at least. It doubles with each change, up to an hour.
	Pause time.Duration
	// Repeat is after how long the same state is told again, where somebody finds it again; 0 is never.
	Repeat time.Duration
	// Over says that the matter is over with this state. It is told only where the matter was told of.
	Over bool
}

// An Audience is who is told: users who are disabled are not.
type Audience struct {
	Admins bool
	Users  []id.User
}

// Sent is what came of a message.
type Sent struct {
	Notifications []Notification // one for each who was told
	Told          bool           // now, whether or not anybody was there to hear it
	// Again is when the message may be told, where the pause is not over; zero where it is told, by whomever.
	Again time.Time
}

// Send tells a message.
func (in *Inbox) Send(ctx context.Context, m Message) (Sent, error) {
	if _, err := authz.Require(ctx, authz.NotificationSend); err != nil {
		return Sent{}, err
	}
	var sent Sent
	err := db.InTx(ctx, in.Pool, func(tx pgx.Tx) (err error) {
		sent, err = in.SendTx(ctx, tx, m)
		return err
	})
	if err != nil {
		return Sent{}, err
	}
	in.Announce(ctx, sent)
	return sent, nil
}

// SendTx is Send as a part of the caller's transaction, who has decided that the actor may, and calls Announce once it is
// committed.
func (in *Inbox) SendTx(ctx context.Context, tx pgx.Tx, m Message) (Sent, error) {
	if _, ok := authz.From(ctx); !ok {
		return Sent{}, fault.New(fault.Unauthenticated, "no actor for %s", authz.NotificationSend)
	}
	now := in.Now().UTC()
	if m.Matter != "" {
		due, again, err := in.due(ctx, tx, m, now)
		if err != nil || !due {
			return Sent{Again: again}, err
		}
	}
	sent := Sent{Told: true}
	to, err := in.q.NotificationAudience(ctx, tx, db.NotificationAudienceParams{
		Admins: m.To.Admins, UserIds: uuids(m.To.Users), RowLimit: maxAudience,
	})
	if err != nil {
		return Sent{}, fmt.Errorf("find who is told: %w", db.Classify(err))
	}
	details, err := json.Marshal(m.Details)
	if err != nil {
		return Sent{}, fmt.Errorf("write details: %w", err)
	}
	for _, user := range to {
		row, err := in.q.InsertNotification(ctx, tx, db.InsertNotificationParams{
			ID: id.New[id.Notification](), UserID: user, Kind: m.Kind, Severity: string(m.Severity), Title: cut(m.Title, maxTitle),
			Text: cut(m.Text, maxText), Subject: m.Subject, Details: details, CreatedAt: now,
		})
		if err != nil {
			return Sent{}, fmt.Errorf("store notification: %w", db.Classify(err))
		}
		sent.Notifications = append(sent.Notifications, fromRow(row))
	}
	return sent, in.enqueue(ctx, tx, to, sent.Notifications)
}

// due decides whether a matter is to be told of. again is when, where it is not yet.
func (in *Inbox) due(ctx context.Context, tx pgx.Tx, m Message, now time.Time) (due bool, again time.Time, err error) {
	before, err := in.q.GetMatter(ctx, tx, m.Matter)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && m.Over:
		return false, time.Time{}, nil
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return false, time.Time{}, fmt.Errorf("read matter: %w", db.Classify(err))
	case err == nil && before.State == m.State && (m.Repeat == 0 || now.Sub(before.ToldAt) < m.Repeat):
		return false, time.Time{}, nil // the usual case where another node was first: no lock is taken for it
	}
	_, err = in.q.TellMatter(ctx, tx, db.TellMatterParams{
		Matter: m.Matter, State: m.State, Now: now, Pause: interval(m.Pause), MaxPause: interval(maxPause),
		Repeats: m.Repeat > 0, Repeat: interval(m.Repeat),
	})
	if err == nil {
		return true, time.Time{}, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return false, time.Time{}, fmt.Errorf("note matter: %w", db.Classify(err))
	}
	if before, err = in.q.GetMatter(ctx, tx, m.Matter); err != nil {
		return false, time.Time{}, fmt.Errorf("read matter: %w", db.Classify(err))
	}
	if before.State == m.State {
		return false, time.Time{}, nil
	}
	return false, before.ToldAt.Add(min(m.Pause<<before.Level, maxPause)), nil
}

// TopicReceived carries an Announcement for new notifications.
const TopicReceived = "notifications"

// announced is how many notifications one event has at most.
const announced = 50

// An Announcement tells all nodes of new notifications.
type Announcement struct{ Notifications []Notification }

// Announce shows notifications to those who look, on all nodes.
func (in *Inbox) Announce(ctx context.Context, sent Sent) {
	for list := sent.Notifications; len(list) > 0; {
		n := min(len(list), announced)
		in.Bus.Publish(ctx, TopicReceived, Announcement{list[:n]})
		list = list[n:]
	}
}

// cut shortens a text to whole characters.
func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes-len("…")], "") + "…"
}

func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
