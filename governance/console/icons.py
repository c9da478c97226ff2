"""Line icons on a grid of 16, drawn for Bursar. Decoration only: words always stand beside them."""

PATHS = {
    "overview": "M2.5 13.5h11M4.5 11V8M8 11V3.5M11.5 11V6",
    "requests": "M3 4h7.5M3 8h10M3 12h6M13 4h.01",
    "statements": "M4 1.8h5.5L12.5 5v9.2H4zM9.3 2v3.2h3M6.3 8.5h4M6.3 11.2h4",
    "budgets": "M8 2.2a5.8 5.8 0 1 0 5.8 5.8H8zM10.4 1.9a5.8 5.8 0 0 1 3.7 3.7h-3.7z",
    "limits": "M2.3 12a6.2 6.2 0 1 1 11.4 0M8 10.5l3-4.2M8 11.2a.7.7 0 1 0 0-1.4.7.7 0 0 0 0 1.4z",
    "keys": "M5.3 13.2a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM7.3 8.6l6-6M10.6 5.2l1.8 1.8",
    "models": "M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9zM2.8 5L8 8l5.2-3M8 8v6",
    "theme": "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
    "menu": "M2.5 4h11M2.5 8h11M2.5 12h11",
    "plus": "M8 3v10M3 8h10",
    "copy": "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
    "info": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5h.01",
    "alert": "M8 2.2l6.2 11H1.8zM8 6.5v3.2M8 11.5h.01",
    "check": "M3 8.5l3.2 3.2L13 5",
    "download": "M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11",
    "account": "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.6 14c.6-2.6 2.7-4 5.4-4s4.8 1.4 5.4 4",
    "logout": "M9.5 2.5h-6v11h6M6.5 8h7M11 5.3L13.7 8 11 10.7",
}
