package config

import "strings"

// nearestKey returns the known key that somebody who wrote this one most likely meant.
func nearestKey(written string, known []string) string {
	best, bestScore := "", -1
	for _, key := range known {
		score := distance(written, key)
		// The right name in the wrong section is nearer than its section makes it look.
		if leaf := distance(lastPart(written), lastPart(key)) + 1; leaf < score {
			score = leaf
		}
		if bestScore < 0 || score < bestScore {
			best, bestScore = key, score
		}
	}
	return best
}

// nearestName is nearestKey for names without sections.
func nearestName(written string, known []string) string {
	best, bestScore := "", -1
	for _, name := range known {
		if score := distance(written, name); bestScore < 0 || score < bestScore {
			best, bestScore = name, score
		}
	}
	return best
}

func lastPart(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}

// distance is the number of letters to insert, remove or replace to make one name of the other.
func distance(a, b string) int {
	const longest = 128 // no known name is near that long, and the work grows with the product
	if len(a) > longest {
		a = a[:longest]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
