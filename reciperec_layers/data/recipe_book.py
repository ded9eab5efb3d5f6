"""Words that synthetic recipes are made of."""

from __future__ import annotations

MAINS = ("Chicken", "Beef", "Lamb", "Salmon", "Shrimp", "Tofu", "Mushroom", "Lentil", "Pumpkin", "Eggplant")

DISHES = {
    "American": ("Burgers", "Casserole", "Chili", "Chowder", "Pot Pie"),
    "French": ("Cassoulet", "Crêpes", "Gratin", "Quiche", "Ragout"),
    "Greek": ("Gyros", "Moussaka", "Pastitsio", "Souvlaki", "Stifado"),
    "Indian": ("Biryani", "Korma", "Samosas", "Tikka Masala", "Vindaloo"),
    "Italian": ("Cannelloni", "Lasagna", "Minestrone", "Ravioli", "Risotto"),
    "Japanese": ("Donburi", "Gyoza", "Ramen", "Tempura", "Yakisoba"),
    "Korean": ("Bibimbap", "Bulgogi", "Japchae", "Jjigae", "Mandu"),
    "Mexican": ("Burritos", "Enchiladas", "Pozole", "Quesadillas", "Tacos"),
    "Moroccan": ("Couscous", "Harira", "Kefta", "Pastilla", "Tagine"),
    "Thai": ("Green Curry", "Larb", "Pad Thai", "Satay", "Tom Yum"),
}

STAPLES = {
    "American": ("cheddar cheese", "bell pepper", "bacon", "sour cream"),
    "French": ("butter", "thyme", "heavy cream", "shallots"),
    "Greek": ("feta cheese", "oregano", "lemon juice", "black olives"),
    "Indian": ("garam masala", "turmeric", "yogurt", "fresh ginger"),
    "Italian": ("parmesan cheese", "basil", "canned tomatoes", "mozzarella"),
    "Japanese": ("soy sauce", "mirin", "rice vinegar", "nori"),
    "Korean": ("gochujang", "sesame oil", "kimchi", "scallions"),
    "Mexican": ("corn tortillas", "cilantro", "cumin", "black beans"),
    "Moroccan": ("ras el hanout", "dried apricots", "chickpeas", "preserved lemon"),
    "Thai": ("coconut milk", "fish sauce", "lemongrass", "Thai basil"),
}

PANTRY = ("salt", "black pepper", "garlic", "onion", "olive oil", "water", "flour", "sugar")
