package simulator

import (
	"math/rand/v2"
	"strings"
	"sync"
)

// words are what answers are made of. Some are not ASCII, so that byte limits and splits inside a rune are met.
const words = `a about above across after again air all along also always among an and answer any are around as ask at away
back be because been before began best better between big black blue boat body book both bring build but by call came can
carry change city clear close cold color come common could country cut day deep did different do does done door down draw
drive early earth east eat end enough even every example eye face fact fall family far farm fast feel few field find fine
fire first fish five fly follow food foot for force form found four free friend from front full garden gave get give go gold
good got great green ground group grow had half hand happen hard has have head hear heart heat help here high hill hold home
horse hot hour house how idea if in island it just keep kind knew know land language large last late laugh lead learn leave
left less let letter life light line list listen little live long look love low made make many map mark may mean measure
might mile mind minute money moon more morning most mountain move much music must name near need never new next night no
north note nothing notice now number object of off often old on once one only open or order other our out over own page
paper part pass path pattern people perhaps piece place plain plan plane plant play point power press problem produce pull
put question quick rain ran reach read ready real record red remember rest right river road rock room round rule run said
same saw say school science sea second see seem sentence serve set several shape ship short should show side simple since
sing sit six size sky sleep slow small snow so some song soon sound south space spell stand star start state stay step still
stood stop story street strong study such summer sun sure surface table tail take talk teach tell ten test than that the
then there these they thing think those thought three through time to together told too took top toward town travel tree true
try turn two under unit until up us use usual very voice vowel wait walk war warm was watch water way we week well west what
wheel when where which while white whole why wind winter with wonder wood word work world would write year yes yet you young
café naïve façade über señor 東京 你好 世界 数据 привет мир καλημέρα 😀 🌍`

// corpus is a fixed sequence of pieces, each with a space in front: an answer is a slice of it and costs no allocation.
var corpus = sync.OnceValue(func() []string {
	vocabulary := strings.Fields(words)
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := make([]string, 1<<13)
	for i := range pieces {
		word := vocabulary[rng.IntN(len(vocabulary))]
		if rng.IntN(12) == 0 {
			word += ","
		}
		pieces[i] = " " + word
	}
	return pieces
})

// text returns n pieces that depend on the seed.
func text(seed uint64, n int) []string {
	all := corpus()
	if n <= len(all) {
		at := int(seed % uint64(len(all)-n+1))
		return all[at : at+n : at+n]
	}
	at := int(seed % uint64(len(all)))
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = all[(at+i)%len(all)]
	}
	return pieces
}

// cutPieces parts a text into pieces of about four bytes, never inside a rune.
func cutPieces(s string) []string {
	pieces := make([]string, 0, len(s)/4+1)
	start := 0
	for i := range s {
		if i-start >= 4 {
			pieces = append(pieces, s[start:i])
			start = i
		}
	}
	if start < len(s) {
		pieces = append(pieces, s[start:])
	}
	return pieces
}

// mix folds numbers into one well-spread number (the finaliser of SplitMix64).
func mix(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
