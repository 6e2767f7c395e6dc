package provider

import (
	"fmt"
	"time"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

// The kinds of notification. Details hold what they name: provider, key, model, reason.
const (
	KindDown       = "provider.down" // its circuit opened
	KindUp         = "provider.up"   // it closed
	KindModelGone  = "provider.model.gone"
	KindModelBack  = "provider.model.back"
	KindKeyRefused = "provider.key.refused" // by a call, though it is not dead
	KindKeyTaken   = "provider.key.taken"   // is accepted again
	KindKeyDead    = "provider.key.dead"
	KindKeyBack    = "provider.key.back"
)

const (
	// pause is how long a matter that was told of is left alone at least: what flaps must not flood.
	pause = time.Minute
	// repeat is after how long something is told again that nobody saw come to an end: the nodes forget when they restart.
	repeat = 6 * time.Hour
)

// concerned is who hears of a provider: the owner of a private one, else the admins.
func concerned(row db.Provider) notify.Audience {
	if row.OwnerID == nil {
		return notify.Audience{Admins: true}
	}
	return notify.Audience{Admins: Visibility(row.Visibility) != Private, Users: []id.User{*row.OwnerID}}
}

// keyName is what a key is called: its label, and the end of the secret.
func keyName(key Key) string {
	if key.Label == "" {
		return key.Hint
	}
	return key.Label + " (" + key.Hint + ")"
}

func died(provider db.Provider, key Key) notify.Message {
	why := "the vendor refuses it"
	if key.DisabledReason == DeadQuota {
		why = "its account is used up"
	}
	return notify.Message{
		To: concerned(provider), Kind: KindKeyDead, Severity: notify.Error, Subject: provider.ID.String(),
		Title:   fmt.Sprintf("A key of %s is disabled: %s", provider.Name, why),
		Text:    fmt.Sprintf("No request is sent with the key %s any more. It is tried from time to time, and used again once it works.", keyName(key)),
		Details: map[string]string{"provider": provider.Name, "key": keyName(key), "reason": key.DisabledReason},
		Matter:  "key/" + key.ID.String(), State: key.DisabledReason,
	}
}

// revived says that a key is used again: found out by a check, or by an admin's word, of which nobody need be told.
func revived(provider db.Provider, key Key, tell bool) notify.Message {
	m := notify.Message{
		Kind: KindKeyBack, Severity: notify.Info, Subject: provider.ID.String(),
		Title:   fmt.Sprintf("A key of %s works again", provider.Name),
		Text:    fmt.Sprintf("Requests are sent with the key %s again.", keyName(key)),
		Details: map[string]string{"provider": provider.Name, "key": keyName(key)},
		Matter:  "key/" + key.ID.String(), State: "used", Over: true,
	}
	if tell {
		m.To = concerned(provider)
	}
	return m
}

// callMatter is that calls with a key are refused, though it is not dead.
func callMatter(key id.ProviderKey) string { return "key/" + key.String() + "/calls" }

func callRefused(provider db.Provider, key Key) notify.Message {
	return notify.Message{
		To: concerned(provider), Kind: KindKeyRefused, Severity: notify.Warning, Subject: provider.ID.String(),
		Title:   provider.Name + " refuses calls with one of its keys",
		Text:    fmt.Sprintf("A call with the key %s was refused, though the vendor knows the key. It may lack a right, or one of the models.", keyName(key)),
		Details: map[string]string{"provider": provider.Name, "key": keyName(key)},
		Matter:  callMatter(key.ID), State: "refused", Pause: pause, Repeat: repeat,
	}
}
