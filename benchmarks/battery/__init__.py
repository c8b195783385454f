"""Generators whose verdict is known, judged over draws of the data: does the judge say what is true?"""
